/** Role: two people of a call speak in turn, and how each is heard. Not here: the call, what the figures must be. */

import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { LabTask, type RecordedSource, type Score, score } from './demo/lab.js';
import type { Person, Voice } from './demo/person.js';

/** Silence before and after what is said: longer than any delay that a call may have. */
const PAUSE_MS = 1_500;
const VOICES: readonly [Voice, Voice] = [
  {
    voice: 'en-us+f3',
    text: 'Seven boats were painted bright yellow, and an old man sold oranges on the pier. Would you like to go there again in June?',
  },
  {
    voice: 'en-gb',
    text: 'We could take the slow train along the river, and stay for three nights. My sister would lend us her small red car.',
  },
];

/** The first one speaks, then the other; how each was heard. Recordings stand in `directory` meanwhile. */
export async function speakInTurn(one: Person, other: Person, directory: string): Promise<Score[]> {
  const scores: Score[] = [];
  for (const [index, speaker, listener] of [[0, one, other] as const, [1, other, one] as const]) {
    const [said, heard] = [join(directory, 'said.wav'), join(directory, 'heard.wav')];
    const sources: RecordedSource[] = [
      { server: speaker.server, device: speaker.microphone, file: said },
      { server: listener.server, device: listener.ear, file: heard },
    ];
    const speech = await speaker.prepareSpeech(VOICES[index]);
    const recording = LabTask.record(sources);
    await pause(PAUSE_MS);
    await speaker.say(speech);
    await pause(PAUSE_MS);
    await recording.finish();
    scores.push(await score(said, heard));
    await Promise.all([rm(said), rm(heard)]);
  }
  return scores;
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

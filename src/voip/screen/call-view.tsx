/** Role: how calls look on the screen: who, state, words, levels, quality. Not here: the rest of the screen (view.tsx). */

import { Box, Text } from 'ink';
import type { ReactElement } from 'react';
import { type CallView, END_TEXT } from '../call.js';
import { type Quality, type ScreenState, type ShownCall, selectedCall, talkedMs } from './screen-state.js';

const BAR_CELLS = 24;
/** What is at the left end of a bar, in dBFS. */
const SILENT_DB = -60;

export function Calls({ state }: { readonly state: ScreenState }): ReactElement {
  const { calls, last } = state;
  const selected = selectedCall(state)?.id;
  if (calls.length === 0)
    return <Text dimColor={last === null}>{last === null ? '  no call' : `  ${over(last)}`}</Text>;
  return (
    <Box flexDirection="column">
      {calls.map((shown) => (
        <Call key={shown.view.id} shown={shown} state={state} isSelected={shown.view.id === selected} />
      ))}
    </Box>
  );
}

interface CallProps {
  readonly shown: ShownCall;
  readonly state: ScreenState;
  readonly isSelected: boolean;
}

function Call({ shown, state, isSelected }: CallProps): ReactElement {
  const { view } = shown;
  const talked = talkedMs(shown, state.nowMs);
  const verdict = state.contacts.find(({ id }) => id === view.remote)?.words;
  const quality = state.quality?.call === view.id ? state.quality : null;
  return (
    <Box flexDirection="column">
      <Text wrap="truncate-end">
        <Text bold={isSelected}>{`${isSelected ? '▸' : ' '} ${view.contact ?? view.remote}  `}</Text>
        <Text color={colorOf(view)}>{stateText(view)}</Text>
        {talked === undefined ? '' : `  ${durationText(talked)}`}
        <Text color="yellow">{marks(view)}</Text>
        <Text dimColor>{view.identity === undefined ? '' : `  as ${view.identity}`}</Text>
      </Text>
      {view.words === undefined ? null : (
        <Text wrap="truncate-end">{`    words  ${view.words}${verdict === undefined ? '' : ` (compared once: ${verdict})`}`}</Text>
      )}
      {quality === null ? null : <QualityLines quality={quality} />}
    </Box>
  );
}

function QualityLines({ quality }: { readonly quality: Quality }): ReactElement {
  const { voice, roundTripMs, lossPercent } = quality;
  const figures = [
    `round trip ${roundTripMs === null ? '–' : `${Math.round(roundTripMs)} ms`}`,
    `loss ${lossPercent === null ? '–' : `${lossPercent.toFixed(1)} %`}`,
    ...(voice === null
      ? []
      : [`jitter ${Math.round(voice.jitterMs)} ms`, `buffer ${Math.round(voice.bufferMs)} ms`]),
  ];
  return (
    <Box flexDirection="column">
      {voice === null ? null : (
        <>
          <Text wrap="truncate-end">{`    input  ${bar(voice.inputLevel)}`}</Text>
          <Text wrap="truncate-end">{`    output ${bar(voice.outputLevel)}`}</Text>
        </>
      )}
      <Text wrap="truncate-end">{`    ${figures.join(' · ')}`}</Text>
    </Box>
  );
}

/** The state in a word or two, always the same ones. */
export function stateText({ state, direction, held, heldByRemote }: CallView): string {
  if (state === 'ringing') return direction === 'incoming' ? 'is calling' : 'ringing';
  if (state !== 'active') return state;
  if (held) return 'on hold';
  return heldByRemote ? 'put you on hold' : 'talking';
}

function marks({ muted, held, heldByRemote, interrupted }: CallView): string {
  const set = [
    ...(muted ? ['muted'] : []),
    ...(held && heldByRemote ? ['put you on hold too'] : []),
    ...(interrupted ? ['interrupted, connecting again'] : []),
  ];
  return set.map((mark) => `  [${mark}]`).join('');
}

function over({ contact, remote, reason, talkedMs }: CallView): string {
  const talked = talkedMs === undefined ? '' : ` after ${durationText(talkedMs)}`;
  return `${contact ?? remote}  ended${talked}: ${reason === undefined ? 'unknown reason' : END_TEXT[reason]}`;
}

function colorOf({ state, held, interrupted }: CallView): string {
  if (interrupted) return 'red';
  return state === 'active' && !held ? 'green' : 'yellow';
}

/** A level in dBFS as a bar of constant width with its number. */
export function bar(level: number): string {
  const share = Math.min(1, Math.max(0, 1 - level / SILENT_DB));
  const full = Math.round(share * BAR_CELLS);
  return `${'█'.repeat(full)}${'░'.repeat(BAR_CELLS - full)} ${Math.round(level)} dB`;
}

/** Minutes and seconds, hours where there are any. */
export function durationText(milliseconds: number): string {
  const seconds = Math.floor(milliseconds / 1000);
  const two = (value: number) => String(value).padStart(2, '0');
  const hours = Math.floor(seconds / 3600);
  const rest = `${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}`;
  return hours === 0 ? rest : `${hours}:${rest}`;
}

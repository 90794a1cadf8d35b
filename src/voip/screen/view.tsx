/**
 * Role: the whole screen, drawn from the state, and the keys that a terminal sends.
 *
 * Invariants: call state and keys are always visible; no timer draws: only a change does.
 *
 * Not here: what keys do (keys.ts), calls (call-view.tsx).
 */

import { Box, Text, useInput } from 'ink';
import { type ReactElement, useSyncExternalStore } from 'react';
import { Calls } from './call-view.js';
import { type Key, keyHelp } from './keys.js';
import { type ScreenState, selectedCall, suggestions } from './screen-state.js';
import type { ScreenStore } from './screen-store.js';

/** Most lines of each list, so that all of it stands on a small terminal. */
const MOST_IDENTITIES = 3;
const MOST_MISSED = 3;
const MOST_CONTACTS = 5;
/** Bytes that stand for keys with names. */
const NAMED: Readonly<Record<string, Key['name']>> = {
  '\r': 'enter',
  '\n': 'enter',
  '\t': 'tab',
  '\b': 'backspace',
  '\x7f': 'backspace',
};

export function Screen({ store }: { readonly store: ScreenStore }): ReactElement {
  const state = useSyncExternalStore(store.subscribe, () => store.state);
  useInput((input, key) => {
    if (key.return) store.press({ text: '', name: 'enter' });
    else if (key.escape) store.press({ text: '', name: 'escape' });
    else if (key.tab) store.press({ text: '', name: 'tab' });
    else if (key.upArrow) store.press({ text: '', name: 'up' });
    else if (key.downArrow) store.press({ text: '', name: 'down' });
    else if (key.backspace || key.delete) store.press({ text: '', name: 'backspace' });
    else if (!key.ctrl && !key.meta) for (const press of pressesOf(input)) store.press(press);
  });
  return (
    <Box flexDirection="column">
      <Heading state={state} />
      <Identities state={state} />
      <Text bold>Calls</Text>
      <Calls state={state} />
      {state.mode.kind === 'dial' ? (
        <Dial state={state} />
      ) : (
        <>
          <Missed state={state} />
          <Contacts state={state} />
        </>
      )}
      <Words state={state} />
      <Text wrap="wrap" color="red">
        {state.notice ?? ' '}
      </Text>
      <Keys state={state} />
    </Box>
  );
}

/** Several keys come as one text where they are pressed fast or pasted. Controls that are no keys of ours are left out. */
function pressesOf(input: string): Key[] {
  return [...input].flatMap((character): Key[] => {
    const name = NAMED[character];
    if (name !== undefined) return [{ text: '', name }];
    return /\p{C}/u.test(character) ? [] : [{ text: character }];
  });
}

function Heading({ state }: { readonly state: ScreenState }): ReactElement {
  if (state.link === 'away')
    return (
      <Text color="red" wrap="wrap">
        {state.awayText}
      </Text>
    );
  return <Text bold>{state.link === 'up' ? 'peer' : 'peer: connecting …'}</Text>;
}

function Identities({ state: { identities, link } }: { readonly state: ScreenState }): ReactElement {
  const more = identities.length - MOST_IDENTITIES;
  return (
    <Box flexDirection="column">
      <Text bold>Identities</Text>
      {identities.length === 0 && link === 'up' ? (
        <Text dimColor>{'  none yet; peer id new NAME makes one'}</Text>
      ) : null}
      {identities.slice(0, MOST_IDENTITIES).map(({ id, name, state }) => (
        <Text key={id} wrap="truncate-end">
          {`  ${name}  `}
          <Text color={state === 'registered' ? 'green' : 'yellow'}>{state}</Text>
          <Text dimColor>{`  ${id}`}</Text>
        </Text>
      ))}
      {more > 0 ? <Text dimColor>{`  and ${more} more`}</Text> : null}
    </Box>
  );
}

function Missed({ state: { missed } }: { readonly state: ScreenState }): ReactElement | null {
  if (missed.length === 0) return null;
  const more = missed.length - MOST_MISSED;
  return (
    <Box flexDirection="column">
      <Text bold>{`Missed calls${more > 0 ? `, and ${more} more` : ''}`}</Text>
      {missed.slice(0, MOST_MISSED).map(({ endedSeconds, remote, contact }) => (
        <Text key={`${endedSeconds} ${remote}`} wrap="truncate-end">
          {`  ${new Date(endedSeconds * 1000).toLocaleString()}  ${contact ?? remote}`}
        </Text>
      ))}
    </Box>
  );
}

function Contacts({ state: { contacts, link } }: { readonly state: ScreenState }): ReactElement | null {
  if (link !== 'up') return null;
  const names = contacts.map(({ name }) => name).join(', ');
  return (
    <Box flexDirection="column">
      <Text bold>Contacts</Text>
      <Text wrap="truncate-end" dimColor={names === ''}>
        {`  ${names === '' ? 'none yet; peer contact add NAME ID adds one' : names}`}
      </Text>
    </Box>
  );
}

function Dial({ state }: { readonly state: ScreenState }): ReactElement | null {
  if (state.mode.kind !== 'dial') return null;
  const { text, chosen, from } = state.mode;
  const found = suggestions(state);
  const first = Math.max(0, Math.min(chosen, found.length - MOST_CONTACTS));
  return (
    <Box flexDirection="column">
      <Text wrap="truncate-start">
        <Text bold>{`Call (as ${state.identities[from]?.name ?? '–'}): `}</Text>
        {text}
        <Text inverse> </Text>
      </Text>
      {found.slice(first, first + MOST_CONTACTS).map(({ name }, index) => (
        <Text key={name} wrap="truncate-end" bold={first + index === chosen}>
          {`${first + index === chosen ? '▸' : ' '} ${name}`}
        </Text>
      ))}
      {found.length === 0 ? <Text dimColor>{'  no such contact: Enter calls it as an identity'}</Text> : null}
    </Box>
  );
}

function Words({ state }: { readonly state: ScreenState }): ReactElement | null {
  if (state.mode.kind !== 'words') return null;
  const { words = '' } = selectedCall({ ...state, selected: state.mode.call }) ?? {};
  return <Text wrap="wrap">{`Read the words to each other: ${words}. Do both of you see the same?`}</Text>;
}

function Keys({ state }: { readonly state: ScreenState }): ReactElement {
  return (
    <Box flexWrap="wrap" columnGap={2}>
      {keyHelp(state).map(([key, meaning]) => (
        <Text key={key}>
          <Text inverse>{` ${key} `}</Text>
          {` ${meaning}`}
        </Text>
      ))}
    </Box>
  );
}

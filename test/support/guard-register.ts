/** Role: `node --import` this to guard the tests of a process. Not here: the guard (guarded-uvu.ts). */

import { register } from 'node:module';

register('./guard-hooks.js', import.meta.url);

import { spawnSync } from 'node:child_process';
import type { StoreName } from '../../tests/support/session-stores.ts';

/** @returns the missing programs as a list in words; undefined when all are installed. */
export function missing(...programs: string[]): string | undefined {
  const absent = programs.filter((program) => spawnSync(program, ['-v']).error !== undefined);
  return absent.length === 0 ? undefined : absent.join(', ');
}

/** The session stores that this machine can run. */
export const STORES: readonly StoreName[] =
  missing('redis-server') === undefined ? ['postgres', 'redis'] : ['postgres'];

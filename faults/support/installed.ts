import { spawnSync } from 'node:child_process';
import type { StoreName } from '../../tests/support/session-stores.ts';

/** @returns those of the programs that this machine does not have, as a list in words; undefined when it has all. */
export function missing(...programs: string[]): string | undefined {
  const absent = programs.filter((program) => spawnSync(program, ['-v']).error !== undefined);
  return absent.length === 0 ? undefined : absent.join(', ');
}

/** Where sessions can be kept on this machine. */
export const STORES: readonly StoreName[] =
  missing('redis-server') === undefined ? ['postgres', 'redis'] : ['postgres'];

import type { ListedKey, RotationMode } from '../composition/index.ts';
import type { Config } from '../config/index.ts';
import { COMMAND_LINE } from '../platform/request/index.ts';
import { withGateway } from './with-gateway.ts';

export interface RotateOptions {
  readonly now?: boolean;
  readonly emergency?: boolean;
}

/** Prints a line for each accepted key, newest first, without key material. */
export async function listKeys(config: Config, output: NodeJS.WritableStream): Promise<void> {
  const keys = await withGateway(config, async ({ signingKeys }) => signingKeys.list());
  for (const key of keys) output.write(`${lineOf(key)}\n`);
}

/** Replaces the key that signs access tokens. Every process switches by itself. */
export async function rotateKeys(
  config: Config,
  output: NodeJS.WritableStream,
  options: RotateOptions,
): Promise<void> {
  const mode = modeOf(options);
  const next = await withGateway(config, ({ keyRotation, fork }) =>
    keyRotation.rotate(fork(), mode, COMMAND_LINE),
  );
  if (!next) {
    output.write(
      'Every key in the database is void. The key of JWT_PRIVATE_KEY_FILE signs. Replace that key yourself.\n',
    );
    return;
  }
  const { kid, signsFrom } = next;
  const when =
    mode === 'emergency' ? 'signs now' : `is published, and signs from ${signsFrom.toISOString()} on`;
  const others =
    mode === 'emergency'
      ? 'Every other key is void. Clients refresh. Services that cache the key set must fetch it again.'
      : 'The other keys are removed after their last token has expired.';
  output.write(`The key ${kid} ${when}. ${others}\n`);
}

function modeOf({ now = false, emergency = false }: RotateOptions): RotationMode {
  if (emergency) return 'emergency';
  return now ? 'now' : 'announced';
}

const lineOf = ({ kid, algorithm, state, createdAt, signsFrom, removedAfter }: ListedKey): string =>
  [
    kid,
    algorithm.padEnd(5),
    state.padEnd(9),
    `created ${text(createdAt)}`,
    `signs from ${text(signsFrom)}`,
    `removed after ${text(removedAfter)}`,
  ].join('  ');

const text = (time: Date | null): string => time?.toISOString() ?? '-';

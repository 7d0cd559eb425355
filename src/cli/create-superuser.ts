import type { Config } from '../config/index.ts';
import { COMMAND_LINE } from '../platform/request/index.ts';
import { askNewSecret, readLine, type Streams } from './streams.ts';
import { withGateway } from './with-gateway.ts';

export interface CreateSuperuserOptions {
  readonly username?: string;
  readonly passwordStdin?: boolean;
}

/** Makes a superuser: a new account or an existing one. Repeated calls change nothing more. */
export async function createSuperuser(
  config: Config,
  streams: Streams,
  email: string,
  { username, passwordStdin = false }: CreateSuperuserOptions,
): Promise<void> {
  await withGateway(config, async ({ superusers, fork }) => {
    const password = (problemOf: (password: string) => string | null) =>
      passwordStdin ? readLine(streams.input) : askNewSecret(`Password for ${email}`, streams, problemOf);
    const result = await superusers.create(fork(), { email, username, password }, COMMAND_LINE);
    streams.output.write(
      `${result.accountCreated ? 'Created' : 'Found'} the account ${result.user.username}${result.accountCreated ? '' : ', which keeps its password'}; ` +
        `${result.roleGranted ? 'it is a superuser now' : 'it is a superuser already'}.\n`,
    );
  });
}

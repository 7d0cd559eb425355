import type { Config } from '../config/index.ts';
import { CommandError } from './streams.ts';
import { withGateway } from './with-gateway.ts';

/** What a token can be asked for; each is what one mail carries. */
export const TOKEN_USES = ['confirm-email', 'reset-password'] as const;
export type TokenUse = (typeof TOKEN_USES)[number];

const NOBODY: Readonly<Record<TokenUse, string>> = {
  'confirm-email': 'has no account or registration that waits for its confirmation',
  'reset-password': 'has no account that may set a new password',
};

/**
 * Makes the token that would be mailed; its first line is the token, its second the link.
 * For development and tests; in production the mailbox is the proof.
 */
export async function printToken(
  config: Config,
  output: NodeJS.WritableStream,
  address: string,
  use: TokenUse,
): Promise<void> {
  if (config.production) {
    throw new CommandError(
      'This command is for development and tests. With NODE_ENV=production a token only goes to the mailbox that it proves.',
    );
  }
  const mail = await withGateway(config, ({ fork, mailsWithToken }) =>
    fork().transactional((tx) => mailsWithToken[use].write(tx, { address })),
  );
  const [link, token] = /https?:\S+#token=(\S+)/.exec(mail?.text ?? '') ?? [];
  if (!link || !token) throw new CommandError(`The address ${address} ${NOBODY[use]}.`);
  output.write(`${token}\n${link}\n`);
}

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
 * Makes the token that would be mailed. The first line is the token; the second is the link, where mails carry one (LINK_PAGES).
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
  const [line, link] = /^(https?:\S+#token=)?[\w-]{43}$/m.exec(mail?.text ?? '') ?? [];
  if (line === undefined) throw new CommandError(`The address ${address} ${NOBODY[use]}.`);
  output.write(link === undefined ? `${line}\n` : `${line.slice(link.length)}\n${line}\n`);
}

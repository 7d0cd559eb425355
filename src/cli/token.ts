import type { Config } from '../config/index.ts';
import { CommandError } from './streams.ts';
import { withGateway } from './with-gateway.ts';

/** The purposes for which a token can be printed. Each purpose belongs to one kind of mail. */
export const TOKEN_USES = ['confirm-email', 'reset-password'] as const;
export type TokenUse = (typeof TOKEN_USES)[number];

const NO_ACCOUNT: Readonly<Record<TokenUse, string>> = {
  'confirm-email': 'has no account or registration that waits for its confirmation',
  'reset-password': 'has no account that may set a new password',
};

/**
 * Prints the token that would be mailed. The first line is the token. The second line is the link, if the mail has one
 * (LINK_PAGES). It is for development and tests. In production only the mailbox proves an address.
 */
export async function printToken(
  config: Config,
  output: NodeJS.WritableStream,
  address: string,
  use: TokenUse,
): Promise<void> {
  if (config.production) {
    throw new CommandError(
      'This command is for development and tests. With NODE_ENV=production a token is only mailed, to the address that it proves.',
    );
  }
  const mail = await withGateway(config, ({ fork, mailsWithToken }) =>
    fork().transactional((tx) => mailsWithToken[use].write(tx, { address })),
  );
  const [line, link] = /^(https?:\S+#token=)?[\w-]{43}$/m.exec(mail?.text ?? '') ?? [];
  if (line === undefined) throw new CommandError(`The address ${address} ${NO_ACCOUNT[use]}.`);
  output.write(link === undefined ? `${line}\n` : `${line.slice(link.length)}\n${line}\n`);
}

import type { Config } from '../config/index.ts';
import { COMMAND_LINE } from '../platform/request/index.ts';
import { withGateway } from './with-gateway.ts';

/** Removes the second factor of an owner who lost app and recovery codes. The operator has verified the owner. */
export async function removeFactor(
  config: Config,
  output: NodeJS.WritableStream,
  email: string,
): Promise<void> {
  await withGateway(config, async ({ secondFactorChanges, fork }) => {
    const { username, removed, endedSessions } = await secondFactorChanges.removeByOperator(
      fork(),
      email,
      COMMAND_LINE,
    );
    output.write(
      removed
        ? `The account ${username} has no second factor any more; sessions that ended: ${endedSessions}.\n`
        : `The account ${username} has no second factor.\n`,
    );
  });
}

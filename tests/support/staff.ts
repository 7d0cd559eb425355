import { COMMAND_LINE } from '../../src/platform/request/index.ts';
import type { TestGateway } from './gateway.ts';
import { CreateRoleDocument, GrantRoleDocument } from './generated/operations.ts';
import type { Subject, Tokens } from './subject.ts';

/** A signed-in superuser. */
export async function aSuperuser(gateway: TestGateway): Promise<Subject & { tokens: Tokens }> {
  const subject = await gateway.aSubject();
  await makeSuperuser(gateway, subject);
  return Object.assign(subject, { tokens: await subject.signedIn() });
}

/** Uses the function of the command line. */
export async function makeSuperuser(gateway: TestGateway, { email, username }: Subject): Promise<void> {
  await gateway.gateway.superusers.create(
    gateway.gateway.fork(),
    { email, username, password: async () => '' },
    COMMAND_LINE,
  );
}

/** A signed-in person with one role that has exactly these permissions. */
export async function staffWith(
  gateway: TestGateway,
  permissions: readonly string[],
): Promise<Subject & { tokens: Tokens; role: { id: string; name: string } }> {
  const [subject, role] = [await gateway.aSubject(), await aRole(gateway, permissions)];
  await gateway.database.query('insert into role_grant (user_id, role_id) values ($1, $2)', [
    subject.id,
    role.id,
  ]);
  return Object.assign(subject, { role, tokens: await subject.signedIn() });
}

let roles = 0;

/** A role without users that this gateway knows. */
export async function aRole(
  gateway: TestGateway,
  permissions: readonly string[] = [],
): Promise<{ id: string; name: string }> {
  const chief = await chiefOf(gateway);
  roles += 1;
  const { data, text } = await gateway.client.execute(
    CreateRoleDocument,
    { input: { name: `role-${roles}`, permissions: [...permissions] } },
    { bearer: chief.tokens.accessToken },
  );
  if (!data) throw new Error(`no role: ${text}`);
  return data.createRole;
}

export async function grant(gateway: TestGateway, userId: string, role: string): Promise<void> {
  const chief = await chiefOf(gateway);
  const { data, text } = await gateway.client.execute(
    GrantRoleDocument,
    { userId, role },
    { bearer: chief.tokens.accessToken },
  );
  if (!data) throw new Error(`not granted: ${text}`);
}

/** One superuser for each gateway, for tests that need one. */
const chiefs = new WeakMap<TestGateway, Promise<Subject & { tokens: Tokens }>>();

function chiefOf(gateway: TestGateway): Promise<Subject & { tokens: Tokens }> {
  const chief = chiefs.get(gateway) ?? aSuperuser(gateway);
  chiefs.set(gateway, chief);
  return chief;
}

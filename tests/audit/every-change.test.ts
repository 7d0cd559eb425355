/** @topology one: reads what one request wrote, and breaks the trail for all */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { Reply, RequestOptions } from '../support/client.ts';
import { TestGateway } from '../support/gateway.ts';
import {
  CancelEmailChangeDocument,
  ChangeEmailDocument,
  ChangePasswordDocument,
  ConfirmEmailDocument,
  ConfirmTotpDocument,
  CreateRoleDocument,
  DeactivateAccountDocument,
  DeleteAccountDocument,
  DeleteRoleDocument,
  DisableTotpDocument,
  EnrollTotpDocument,
  GrantRoleDocument,
  LinkGoogleDocument,
  LoginWithGoogleDocument,
  LogoutDocument,
  ReauthenticateDocument,
  RecoverAccountDocument,
  RegenerateRecoveryCodesDocument,
  RegisterDocument,
  ResetPasswordDocument,
  RevokeRoleDocument,
  RevokeUserSessionsDocument,
  RolesDocument,
  SetUserActiveDocument,
  UndoEmailChangeDocument,
  UnlinkGoogleDocument,
  UpdateProfileDocument,
  UpdateRoleDocument,
  UsersDocument,
} from '../support/generated/operations.ts';
import { aPerson, GoogleStandIn, newNonce } from '../support/google-stand-in.ts';
import { AuthenticatorApp } from '../support/second-factor.ts';
import { aRole, aSuperuser } from '../support/staff.ts';
import { type Subject, type Tokens, tokensOf } from '../support/subject.ts';

let google: GoogleStandIn;
let gateway: TestGateway;
let root: Subject & { tokens: Tokens };
let alice: Subject;
/** Of Alice. */
let tokens: Tokens;

beforeAll(async () => {
  google = await GoogleStandIn.start();
  gateway = await TestGateway.start({ ...google.settings, REFRESH_GRACE_SECONDS: '0' });
  root = await aSuperuser(gateway);
});
beforeEach(async () => {
  alice = await gateway.aSubject();
  tokens = await alice.signedIn();
});
afterAll(async () => {
  await gateway.close();
  await google.close();
});

type Attempt = (options: RequestOptions) => Promise<Reply<unknown>>;

const events = async (requestId: string) => {
  const rows = await gateway.database.query<{
    action: string;
    outcome: string;
    actor: string;
    subject: string;
  }>(
    `select action, outcome, actor_id as actor, subject_id as subject from audit_event
     where request_id = $1 and ip_address = '127.0.0.1' and user_agent = 'node' and at > now() - interval '1 minute'`,
    [requestId],
  );
  const names = new Map<string | null, string>([
    [root.id, 'root'],
    [alice.id, 'alice'],
    [null, 'nobody'],
  ]);
  return rows
    .map(({ action, outcome, actor, subject }) => {
      const done = outcome === 'SUCCESS' ? '' : ` ${outcome}`;
      return `${action}${done}: ${names.get(actor) ?? 'other'}, ${names.get(subject) ?? 'other'}`;
    })
    .toSorted();
};

let requests = 0;
/** Each request has an id of its own, by which its events are found. */
async function attempt(work: Attempt): Promise<{ reply: Reply<unknown>; recorded: string[] }> {
  requests += 1;
  const requestId = `request-${requests}`;
  const reply = await work({ headers: { 'x-request-id': requestId } });
  return { reply, recorded: await events(requestId) };
}

/**
 * Tries it while the trail takes nothing, as a full disk would: it fails, and nothing has changed, since after that it
 * works, and is recorded just so.
 */
async function expectRecorded(expected: readonly string[], work: Attempt): Promise<Reply<unknown>> {
  await gateway.database.query('alter table audit_event add constraint full_disk check (false) not valid');
  const { reply: refused } = await attempt(work);
  await gateway.database.query('alter table audit_event drop constraint full_disk');
  expect(refused.code).toBe('INTERNAL_SERVER_ERROR');
  const { reply, recorded } = await attempt(work);
  expect(recorded).toEqual(expected);
  return reply;
}

const byAlice = (options: RequestOptions) => ({ ...options, bearer: tokens.accessToken });
const byRoot = (options: RequestOptions) => ({ ...options, bearer: root.tokens.accessToken });
const login = (password: string) => (options: RequestOptions) => alice.login({ password, ...options });
const newPassword = 'copper lantern drifting';

describe('every change is recorded once, or does not happen:', () => {
  it('an account and its profile', async () => {
    const { client } = gateway;
    const input = { username: 'newcomer', email: 'newcomer@example.test', password: newPassword };
    await expectRecorded(['account.registered: other, other'], (o) =>
      client.execute(RegisterDocument, { input }, o),
    );
    const link = await gateway.mailbox.token(alice.email, 'confirm-email');
    await expectRecorded(['account.email_confirmed: alice, alice'], (o) =>
      client.execute(ConfirmEmailDocument, { token: link }, o),
    );
    await expectRecorded(['account.profile_changed: alice, alice'], (o) =>
      client.execute(UpdateProfileDocument, { input: { displayName: 'Alice' } }, byAlice(o)),
    );
  });

  it('sessions', async () => {
    const { client } = gateway;
    await expectRecorded(['login.failed FAILURE: nobody, alice'], login('a wrong password'));
    const reply = await expectRecorded(['session.created: alice, alice'], login(alice.password));
    tokens = tokensOf(reply as Awaited<ReturnType<typeof alice.login>>);
    await expectRecorded(['session.reauthentication_failed FAILURE: alice, alice'], (o) =>
      client.execute(ReauthenticateDocument, { password: 'a wrong password' }, byAlice(o)),
    );
    await expectRecorded(['session.reauthenticated: alice, alice'], (o) =>
      client.execute(ReauthenticateDocument, { password: alice.password }, byAlice(o)),
    );
    const { accessToken: bearer } = await alice.signedIn();
    await expectRecorded(['session.ended: alice, alice'], (o) =>
      client.execute(LogoutDocument, {}, { ...o, bearer }),
    );
    const { refreshToken } = await alice.signedIn();
    await alice.refresh(refreshToken);
    const again = 'mutation ($token: String) { refresh(refreshToken: $token) { tokenType } }';
    await expectRecorded(['session.refresh_reused FAILURE: nobody, alice'], (o) =>
      client.raw(again, { token: refreshToken }, o),
    );
  });

  it('a second factor', async () => {
    const { client } = gateway;
    const { password } = alice;
    const { data } = await client.execute(EnrollTotpDocument, { password }, byAlice({}));
    const app = new AuthenticatorApp(data?.enrollTotp.secret ?? '', () => gateway.clock.now());
    gateway.clock.toMidStep();
    await expectRecorded(['totp.confirmation_failed FAILURE: alice, alice'], (o) =>
      client.execute(ConfirmTotpDocument, { securityCode: app.wrongCode() }, byAlice(o)),
    );
    await expectRecorded(['totp.enabled: alice, alice'], (o) =>
      client.execute(ConfirmTotpDocument, { securityCode: app.code() }, byAlice(o)),
    );
    await expectRecorded(['second_factor.failed FAILURE: alice, alice'], (o) =>
      client.execute(RegenerateRecoveryCodesDocument, { securityCode: app.wrongCode() }, byAlice(o)),
    );
    await expectRecorded(['recovery_codes.regenerated: alice, alice'], (o) =>
      client.execute(RegenerateRecoveryCodesDocument, { securityCode: app.code(1) }, byAlice(o)),
    );
    gateway.clock.advance(60);
    await expectRecorded(['totp.disabled: alice, alice'], (o) =>
      client.execute(DisableTotpDocument, { password, securityCode: app.code() }, byAlice(o)),
    );
  });

  it('an identity of elsewhere', async () => {
    const { client } = gateway;
    const person = aPerson();
    const bad = { idToken: 'x.y.z' };
    await expectRecorded(['google.link_failed FAILURE: alice, alice'], (o) =>
      client.execute(LinkGoogleDocument, bad, byAlice(o)),
    );
    await expectRecorded(['session.reauthentication_failed FAILURE: alice, alice'], (o) =>
      client.execute(ReauthenticateDocument, { googleIdToken: bad.idToken }, byAlice(o)),
    );
    await expectRecorded(['login.failed FAILURE: nobody, nobody'], (o) =>
      client.execute(LoginWithGoogleDocument, bad, o),
    );
    await expectRecorded(['google.linked: alice, alice'], async (o) => {
      const idToken = await google.idToken({ ...person, nonce: await newNonce(client) });
      return client.execute(LinkGoogleDocument, { idToken }, byAlice(o));
    });
    await expectRecorded(['google.unlinked: alice, alice'], (o) =>
      client.execute(UnlinkGoogleDocument, {}, byAlice(o)),
    );
  });

  it('the address', async () => {
    const { client } = gateway;
    const { password } = alice;
    const [first, second] = ['first@example.test', 'second@example.test'];
    await gateway.confirm(alice);
    const requested = ['account.email_change_requested: alice, alice'];
    await expectRecorded(requested, (o) =>
      client.execute(ChangeEmailDocument, { newEmail: first, password }, byAlice(o)),
    );
    await expectRecorded(['account.email_change_cancelled: alice, alice'], (o) =>
      client.execute(CancelEmailChangeDocument, {}, byAlice(o)),
    );
    await client.execute(ChangeEmailDocument, { newEmail: second, password }, byAlice({}));
    const token = await gateway.mailbox.token(second, 'confirm-email');
    await expectRecorded(['account.email_changed: alice, alice'], (o) =>
      client.execute(ConfirmEmailDocument, { token }, o),
    );
    const undo = await gateway.mailbox.token(alice.email, 'undo-email-change');
    await expectRecorded(['account.email_change_undone: alice, alice', 'session.ended: alice, alice'], (o) =>
      client.execute(UndoEmailChangeDocument, { token: undo }, o),
    );
  });

  it('the password', async () => {
    const { client } = gateway;
    await client.execute(RecoverAccountDocument, { email: alice.email });
    const token = await gateway.mailbox.token(alice.email, 'reset-password');
    const claimed = [
      'account.claimed: alice, alice',
      'password.reset: alice, alice',
      'session.ended: alice, alice',
    ];
    await expectRecorded(claimed, (o) => client.execute(ResetPasswordDocument, { token, newPassword }, o));
    tokens = await alice.signedIn({ password: newPassword });
    await expectRecorded(['password.changed: alice, alice'], (o) =>
      client.execute(
        ChangePasswordDocument,
        { currentPassword: newPassword, newPassword: alice.password },
        byAlice(o),
      ),
    );
  });

  it('what others do to the account, and to roles', async () => {
    const { client } = gateway;
    const role = await aRole(gateway);
    const granted = { userId: alice.id, role: role.name };
    await expectRecorded(['role.granted: root, alice'], (o) =>
      client.execute(GrantRoleDocument, granted, byRoot(o)),
    );
    await expectRecorded(['role.updated: root, nobody'], (o) =>
      client.execute(UpdateRoleDocument, { input: { id: role.id, description: 'changed' } }, byRoot(o)),
    );
    await expectRecorded(['role.revoked: root, alice'], (o) =>
      client.execute(RevokeRoleDocument, granted, byRoot(o)),
    );
    await expectRecorded(['role.created: root, nobody'], (o) =>
      client.execute(CreateRoleDocument, { input: { name: 'one-more', permissions: [] } }, byRoot(o)),
    );
    await expectRecorded(['role.deleted: root, nobody'], (o) =>
      client.execute(DeleteRoleDocument, { id: role.id }, byRoot(o)),
    );
    await expectRecorded(['account.sessions_ended: root, alice', 'session.ended: root, alice'], (o) =>
      client.execute(RevokeUserSessionsDocument, { userId: alice.id }, byRoot(o)),
    );
    const setActive = (active: boolean) => (o: RequestOptions) =>
      client.execute(SetUserActiveDocument, { userId: alice.id, active }, byRoot(o));
    await expectRecorded(['account.deactivated: root, alice'], setActive(false));
    await expectRecorded(['account.activated: root, alice'], setActive(true));
    await expectRecorded(['account.listed: root, nobody'], (o) =>
      client.execute(UsersDocument, {}, byRoot(o)),
    );
  });

  it('the end of the account', async () => {
    const { client } = gateway;
    const { password } = alice;
    const { recorded } = await attempt((o) => client.execute(RolesDocument, {}, byAlice(o)));
    expect(recorded).toEqual(['operation.denied DENIED: alice, nobody']);
    await expectRecorded(['account.deactivated: alice, alice', 'session.ended: alice, alice'], (o) =>
      client.execute(DeactivateAccountDocument, { password }, byAlice(o)),
    );
    await client.execute(SetUserActiveDocument, { userId: alice.id, active: true }, byRoot({}));
    tokens = await alice.signedIn();
    await expectRecorded(['account.deleted: alice, alice', 'session.ended: alice, alice'], (o) =>
      client.execute(DeleteAccountDocument, { password }, byAlice(o)),
    );
  });
});

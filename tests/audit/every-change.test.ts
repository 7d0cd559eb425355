/** @topology one: reads what one request wrote, and breaks the trail for all */
import { Readable, Writable } from 'node:stream';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { FakeApp, NextAction } from '../../examples/blockpass-fakes/index.ts';
import { program } from '../../src/cli/program.ts';
import { NO_SIGNALS } from '../../src/cli/signals.ts';
import {
  type BlockpassWorld,
  SignInPage,
  signedInReviewer,
  startBlockpassWorld,
} from '../support/blockpass.ts';
import type { RequestOptions } from '../support/client.ts';
import { newSecrets, type TestGateway } from '../support/gateway.ts';
import {
  ApproveKycDocument,
  CancelEmailChangeDocument,
  ChangeEmailDocument,
  ChangePasswordDocument,
  CompleteGoogleLoginDocument,
  ConfirmEmailDocument,
  ConfirmTotpDocument,
  CreateRoleDocument,
  CreateUserDocument,
  DeactivateAccountDocument,
  DecideKycDocument,
  DeleteAccountDocument,
  DeleteRoleDocument,
  DeleteUserDocument,
  DisableTotpDocument,
  EnrollTotpDocument,
  GrantRoleDocument,
  KycRecordDocument,
  LinkGoogleDocument,
  LoginWithGoogleDocument,
  LogoutDocument,
  ReauthenticateDocument,
  RecoverAccountDocument,
  RegenerateRecoveryCodesDocument,
  RegisterDocument,
  RemoveSecondFactorDocument,
  ResetPasswordDocument,
  RevokeRoleDocument,
  RevokeUserSessionDocument,
  RevokeUserSessionsDocument,
  RolesDocument,
  SendPasswordResetDocument,
  SetUserActiveDocument,
  StartKycReviewDocument,
  UndoEmailChangeDocument,
  UnlinkGoogleDocument,
  UnlockUserDocument,
  UpdateProfileDocument,
  UpdateRoleDocument,
  UpdateUserDocument,
  type UpdateUserInput,
  UsersDocument,
} from '../support/generated/operations.ts';
import { aPerson, GoogleStandIn, newNonce } from '../support/google-stand-in.ts';
import { RedirectBrowser } from '../support/redirect-browser.ts';
import { AuthenticatorApp, enrol } from '../support/second-factor.ts';
import { aRole, aSuperuser } from '../support/staff.ts';
import { type Subject, type Tokens, tokensOf } from '../support/subject.ts';

const secrets = newSecrets();
let google: GoogleStandIn;
let world: BlockpassWorld;
let gateway: TestGateway;
let root: Subject & { tokens: Tokens };
let reviewer: Subject;
let alice: Subject;
/** Alice's account. */
let tokens: Tokens;

beforeAll(async () => {
  google = await GoogleStandIn.start();
  world = await startBlockpassWorld({ ...secrets, ...google.settings, REFRESH_GRACE_SECONDS: '0' });
  gateway = world.gateway;
  root = await aSuperuser(gateway);
  reviewer = await gateway.aSubject();
});
beforeEach(async () => {
  alice = await gateway.aSubject();
  tokens = await alice.signedIn();
});
afterAll(async () => {
  await world.close();
  await google.close();
});

/** The outcome of the call. Every unexpected error has the same code. */
interface Outcome {
  readonly code: unknown;
}
type Attempt<O extends Outcome> = (options: RequestOptions) => Promise<O>;

const BY_REQUEST = `request_id = $1 and ip_address = '127.0.0.1' and user_agent = 'node'`;
const BY_COMMAND = 'at > $1 and request_id is null and ip_address is null and user_agent is null';

const events = async (where: typeof BY_REQUEST | typeof BY_COMMAND, which: unknown) => {
  const rows = await gateway.database.query<{
    action: string;
    outcome: string;
    actor: string;
    subject: string;
  }>(
    `select action, outcome, actor_id as actor, subject_id as subject from audit_event
     where ${where} and at > now() - interval '1 minute'`,
    [which],
  );
  const names = new Map<string | null, string>([
    [root.id, 'root'],
    [reviewer.id, 'reviewer'],
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
/** Each request has its own id, by which its events are found. */
async function attempt<O extends Outcome>(work: Attempt<O>): Promise<{ reply: O; recorded: string[] }> {
  requests += 1;
  const requestId = `request-${requests}`;
  const reply = await work({ headers: { 'x-request-id': requestId } });
  return { reply, recorded: await events(BY_REQUEST, requestId) };
}

/** A command has no request. Its events are found by their time, and have no source. */
async function command(
  args: readonly string[],
  typed: string,
): Promise<{ reply: Outcome; recorded: string[] }> {
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() });
  const { servingUrl, ownerUrl } = gateway.database;
  const environment = {
    NODE_ENV: 'test',
    DATABASE_URL: servingUrl,
    DATABASE_MIGRATION_URL: ownerUrl,
    PASSWORD_BCRYPT_COST: '4',
    ...secrets,
  };
  const input = Readable.from([Buffer.from(typed)]) as unknown as NodeJS.ReadStream;
  const streams = { input, output: nowhere, errors: nowhere };
  const [{ now } = { now: '' }] = await gateway.database.query<{ now: string }>('select now()::text');
  const reply = await program({ environment, workingFolder: '.', streams, signals: NO_SIGNALS })
    .parseAsync([...args], { from: 'user' })
    .then(
      () => ({ code: undefined }),
      () => ({ code: 'INTERNAL_SERVER_ERROR' }),
    );
  return { reply, recorded: await events(BY_COMMAND, now) };
}

const expectRecorded = <O extends Outcome>(expected: readonly string[], work: Attempt<O>): Promise<O> =>
  expectOnce(expected, () => attempt(work));

const expectOfCommand = (
  expected: readonly string[],
  args: readonly string[],
  typed = '',
): Promise<Outcome> => expectOnce(expected, () => command(args, typed));

/**
 * Tries the change while the trail refuses every row, as with a full disk. The change must fail completely:
 * it then succeeds when it is repeated, with the expected events.
 */
async function expectOnce<O extends Outcome>(
  expected: readonly string[],
  once: () => Promise<{ reply: O; recorded: string[] }>,
): Promise<O> {
  await gateway.database.query('alter table audit_event add constraint full_disk check (false) not valid');
  const { reply: refused } = await once();
  await gateway.database.query('alter table audit_event drop constraint full_disk');
  expect(refused.code).toBe('INTERNAL_SERVER_ERROR');
  const { reply, recorded } = await once();
  expect(recorded).toEqual(expected);
  return reply;
}

const byAlice = (options: RequestOptions) => ({ ...options, bearer: tokens.accessToken });
const byRoot = (options: RequestOptions) => ({ ...options, bearer: root.tokens.accessToken });
const login = (password: string) => (options: RequestOptions) => alice.login({ password, ...options });
const newPassword = 'copper lantern drifting';

/** Routes outside GraphQL. */
async function fetched(path: string, request: RequestInit): Promise<Outcome> {
  const { status } = await fetch(`${gateway.url}${path}`, request);
  return { code: status === 500 ? 'INTERNAL_SERVER_ERROR' : undefined };
}

/** Uploads the requested items of a person, each time with a new upload token. */
const uploaded =
  ({ person }: FakeApp, ask: () => Promise<NextAction>) =>
  async (options: RequestOptions): Promise<Outcome> => {
    const { accessToken = '', requiredFields = [] } = await ask();
    const body = new FormData();
    body.append('accessToken', accessToken);
    for (const slug of requiredFields) {
      const value = Buffer.from(person.fields.get(slug) ?? '');
      body.append('slugList', slug);
      if (slug === 'selfie') body.append(slug, new Blob([value], { type: 'image/png' }), 'selfie.png');
      else body.append(slug, value.toString());
    }
    return fetched('/blockpass/api/uploadData', { ...options, method: 'POST', body });
  };

describe('the audit trail has each change once, and a change that it cannot record does not happen', () => {
  it('changes of an account and its profile', async () => {
    const { client } = gateway;
    const input = { username: 'newcomer', email: 'newcomer@example.test', password: newPassword };
    await expectRecorded(['account.registered: other, other'], (o) =>
      client.execute(RegisterDocument, { input }, o),
    );
    const link = await gateway.mailbox.token(alice.email, 'confirm-email');
    const confirm = (password: string) => (o: RequestOptions) =>
      client.execute(ConfirmEmailDocument, { token: link, password }, o);
    const refused = ['account.email_confirmation_failed FAILURE: nobody, alice'];
    await expectRecorded(refused, confirm('a wrong password'));
    await expectRecorded(['account.email_confirmed: alice, alice'], confirm(alice.password));
    await expectRecorded(['account.profile_changed: alice, alice'], (o) =>
      client.execute(UpdateProfileDocument, { input: { displayName: 'Alice' } }, byAlice(o)),
    );
  });

  it('changes of sessions', async () => {
    const { client } = gateway;
    await expectRecorded(['login.failed FAILURE: nobody, alice'], login('a wrong password'));
    tokens = tokensOf(await expectRecorded(['session.created: alice, alice'], login(alice.password)));
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
    const renewed = tokensOf(await alice.refresh(refreshToken));
    const again = 'mutation ($token: String) { refresh(refreshToken: $token) { tokenType } }';
    await expectRecorded(['session.refresh_repeated: nobody, alice'], (o) =>
      client.raw(again, { token: refreshToken }, o),
    );
    await expectRecorded(['session.refresh_superseded FAILURE: nobody, alice'], (o) =>
      client.raw(again, { token: refreshToken }, o),
    );
    await alice.me(renewed.accessToken);
    await expectRecorded(['session.refresh_reused FAILURE: nobody, alice'], (o) =>
      client.raw(again, { token: refreshToken }, o),
    );
  });

  it('changes of a second factor', async () => {
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

  it('changes of linked identities', async () => {
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

  it('a Google sign-in that creates an account, or that returns one to the owner of its address', async () => {
    const { client } = gateway;
    const signIn = (person: ReturnType<typeof aPerson>) => async (o: RequestOptions) => {
      const idToken = await google.idToken({ ...person, nonce: await newNonce(client) });
      return client.execute(LoginWithGoogleDocument, { idToken }, o);
    };
    await expectRecorded(
      ['account.registered: other, other', 'session.created: other, other'],
      signIn(aPerson()),
    );
    const person = aPerson();
    alice = await gateway.aSubject({ email: person.email ?? '' });
    await alice.signedIn();
    const claimed = [
      'account.claimed: alice, alice',
      'google.linked: alice, alice',
      'session.created: alice, alice',
      'session.ended: alice, alice',
    ];
    await expectRecorded(claimed, signIn(person));
  });

  it('a sign-in by redirect', async () => {
    const failed = ['login.failed FAILURE: nobody, nobody'];
    const browser = new RedirectBrowser(gateway.url);
    const callback = (query: string) => (o: RequestOptions) =>
      fetched(`/oauth/google/callback?${query}`, { ...o, redirect: 'manual' });
    await expectRecorded(failed, callback('state=x&code=y'));
    await expectRecorded(failed, (o) => browser.execute(CompleteGoogleLoginDocument, { code: 'x' }, o));
    const person = aPerson();
    const made = ['account.registered: other, other', 'session.created: other, other'];
    await expectRecorded(made, async (o) => {
      google.person = person;
      const code = (await browser.signIn()).get('code') ?? '';
      return browser.execute(CompleteGoogleLoginDocument, { code }, o);
    });
  });

  it('uploads of the Blockpass app, and decisions of reviewers', async () => {
    const { client } = gateway;
    const app = world.person();
    await expectRecorded(
      ['kyc.submitted: nobody, nobody'],
      uploaded(app, () => app.register()),
    );
    const page = await SignInPage.open(gateway.browser(), tokens.accessToken);
    await app.scan(page.qrText);
    await expectRecorded(['blockpass.linked: alice, alice', 'session.created: alice, alice'], (o) =>
      page.complete(byAlice(o)),
    );
    const [record] = await gateway.database.query<{ id: string }>(
      'select id from kyc_record where user_id = $1',
      [alice.id],
    );
    const id = record?.id ?? '';
    const bearer = await signedInReviewer(gateway, reviewer);
    const seen = (change: string) => [
      'account.read: reviewer, alice',
      `${change}: reviewer, alice`,
      'kyc.values_read: reviewer, alice',
    ];
    await expectRecorded(['account.read: reviewer, alice', 'kyc.values_read: reviewer, alice'], (o) =>
      client.execute(KycRecordDocument, { id }, { ...o, bearer }),
    );
    await expectRecorded(['kyc.file_downloaded: reviewer, alice'], ({ headers = {} }) =>
      fetched(`/kyc/files/${id}/identity/selfie`, {
        headers: { ...headers, authorization: `Bearer ${bearer}` },
      }),
    );
    const start = (o: RequestOptions) =>
      client.execute(StartKycReviewDocument, { recordId: id }, { ...o, bearer });
    await expectRecorded(seen('kyc.review_started'), start);
    const decisions = [{ slug: 'email', approve: false, comment: 'another one' }];
    await expectRecorded(seen('kyc.decided'), (o) =>
      client.execute(DecideKycDocument, { recordId: id, decisions }, { ...o, bearer }),
    );
    await expectRecorded(
      ['kyc.submitted: alice, alice'],
      uploaded(app, () => app.resubmit(['email'], [])),
    );
    await start({});
    await expectRecorded(seen('kyc.approved'), (o) =>
      client.execute(ApproveKycDocument, { recordId: id }, { ...o, bearer }),
    );
  });

  it('a Blockpass sign-in that creates an account', async () => {
    const page = await SignInPage.open(gateway.browser());
    await world.person().scan(page.qrText);
    await expectRecorded(['account.registered: other, other', 'session.created: other, other'], (o) =>
      page.complete(o),
    );
  });

  it('changes of the e-mail address', async () => {
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

  it('changes of the password', async () => {
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

  it('changes by administrators, of accounts and of roles', async () => {
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
    const other = await alice.signedIn();
    await expectRecorded(['session.ended: root, alice'], (o) =>
      client.execute(RevokeUserSessionDocument, { userId: alice.id, sessionId: other.sessionId }, byRoot(o)),
    );
    const update = (change: Partial<UpdateUserInput>) => (o: RequestOptions) =>
      client.execute(UpdateUserDocument, { input: { id: alice.id, ...change } }, byRoot(o));
    await expectRecorded(['account.profile_changed: root, alice'], update({ displayName: 'Alice' }));
    await expectRecorded(['account.email_confirmed: root, alice'], update({ emailConfirmed: true }));
    await expectRecorded(
      ['account.email_change_requested: root, alice'],
      update({ email: 'asked@example.test' }),
    );
    await expectRecorded(
      ['account.email_changed: root, alice'],
      update({ email: 'vouched@example.test', emailConfirmed: true }),
    );
    await expectRecorded(['account.read: root, alice'], update({}));
    await expectRecorded(['account.unlocked: root, alice'], (o) =>
      client.execute(UnlockUserDocument, { userId: alice.id }, byRoot(o)),
    );
    await expectRecorded(['account.password_reset_sent: root, alice'], (o) =>
      client.execute(SendPasswordResetDocument, { userId: alice.id }, byRoot(o)),
    );
    await expectRecorded(['account.created: root, other', 'role.granted: root, other'], (o) =>
      client.execute(
        CreateUserDocument,
        { input: { username: 'made-by-root', password: newPassword, roles: [role.name] } },
        byRoot(o),
      ),
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
    await enrol(gateway, alice);
    await expectRecorded(['second_factor.removed: root, alice', 'session.ended: root, alice'], (o) =>
      client.execute(RemoveSecondFactorDocument, { userId: alice.id }, byRoot(o)),
    );
    await expectRecorded(['account.deleted: root, alice'], (o) =>
      client.execute(DeleteUserDocument, { userId: alice.id }, byRoot(o)),
    );
  });

  it('the deactivation and deletion of an account', async () => {
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

  it('changes by commands', async () => {
    await expectOfCommand(
      ['account.registered: nobody, other', 'role.granted: nobody, other'],
      ['create-superuser', 'another.root@example.test', '--password-stdin'],
      `${newPassword}\n`,
    );
    await expectOfCommand(
      ['account.imported: nobody, other'],
      ['users', 'import', '-'],
      '{"username":"imported"}\n',
    );
    await enrol(gateway, alice);
    await expectOfCommand(
      ['second_factor.removed: nobody, alice', 'session.ended: nobody, alice'],
      ['users', 'remove-factor', alice.email],
    );
    await expectOfCommand(
      ['key.rotated: nobody, nobody', 'key.voided: nobody, nobody'],
      ['keys', 'rotate', '--emergency'],
    );
  });
});

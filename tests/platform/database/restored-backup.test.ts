/** @topology one: stops and copies the database of one process */
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { COMMAND_LINE } from '../../../src/platform/request/index.ts';
import { TestGateway } from '../../support/gateway.ts';
import {
  ChangePasswordDocument,
  LogoutDocument,
  RecoverAccountDocument,
  ResetPasswordDocument,
} from '../../support/generated/operations.ts';
import { eventually } from '../../support/race.ts';
import { type Enrolled, enrol } from '../../support/second-factor.ts';
import { type Subject, type Tokens, tokensOf } from '../../support/subject.ts';

/** The commands that the documentation gives the operator. */
const PROCEDURE =
  /### Restoring a backup[\s\S]*?```sql\n([\s\S]*?)```/.exec(
    readFileSync('docs/configuration.md', 'utf8'),
  )?.[1] ?? '';

let gateway: TestGateway;
let restored: TestGateway;
let copy: string;
let alice: Subject;
let factor: Enrolled;
/** A session that lives on after the backup, one that ends after it, and a link that is used after it. */
let goesOn: Tokens;
let ended: Tokens;
let usedLink: string;

/** Copies the current database. The original must have no other connections. */
async function backUp(): Promise<void> {
  const name = new URL(gateway.database.ownerUrl).pathname.slice(1);
  const [owner] = await gateway.database.query<{ name: string }>('select current_user as name');
  copy = `${name}_backup`;
  const run = (statement: string) => gateway.database.querySuperuser(statement);
  await run(`alter database ${name} with allow_connections false`);
  await run(`select pg_terminate_backend(pid) from pg_stat_activity where datname = '${name}'`);
  await run(`create database ${copy} template ${name} owner ${owner?.name}`);
  await run(`alter database ${name} with allow_connections true`);
}
const inCopy = (url: string) => Object.assign(new URL(url), { pathname: `/${copy}` }).href;

beforeAll(async () => {
  gateway = await TestGateway.start();
  alice = await gateway.aSubject();
  factor = await enrol(gateway, alice);
  const bob = await gateway.aSubject();
  goesOn = await bob.signedIn();
  ended = await bob.signedIn();
  await gateway.client.execute(RecoverAccountDocument, { email: bob.email });
  usedLink = await gateway.mailbox.token(bob.email, 'reset-password');
  await backUp();

  await eventually(
    async () => (await bob.me(goesOn.accessToken)).code,
    (code) => code === undefined,
  );
  goesOn = tokensOf(await bob.refresh(goesOn.refreshToken));
  await gateway.client.execute(LogoutDocument, {}, { bearer: ended.accessToken });
  await gateway.client.execute(ResetPasswordDocument, {
    token: usedLink,
    newPassword: 'copper lantern drifting',
  });
  await gateway.client.execute(
    ChangePasswordDocument,
    { currentPassword: alice.password, newPassword: 'silver harbour waking' },
    { bearer: factor.tokens.accessToken },
  );

  const owner = new pg.Client({ connectionString: inCopy(gateway.database.ownerUrl) });
  await owner.connect();
  await owner.query(PROCEDURE);
  await owner.end();
  restored = await gateway.another({
    DATABASE_URL: inCopy(gateway.database.servingUrl),
    DATABASE_MIGRATION_URL: inCopy(gateway.database.ownerUrl),
  });
  const { keyRotation, fork } = restored.gateway;
  await keyRotation.rotate(fork(), 'emergency', COMMAND_LINE);
});
afterAll(async () => {
  await restored.close();
  await gateway.database.querySuperuser(`drop database ${copy} with (force)`);
  await gateway.close();
});

describe('a restored backup', () => {
  it('revives nothing that ended after it: sessions, access tokens and links are void', async () => {
    for (const { accessToken, refreshToken } of [goesOn, ended]) {
      expect((await alice.me(accessToken, restored.client)).code).toBe('UNAUTHENTICATED');
      expect((await alice.refresh(refreshToken, restored.client)).code).toBe('INVALID_REFRESH_TOKEN');
    }
    const newPassword = 'amber window falling';
    const { code } = await restored.client.execute(ResetPasswordDocument, { token: usedLink, newPassword });
    expect(code).toBe('INVALID_TOKEN');
  });

  it('lets people sign in with their credentials, including the second factor', async () => {
    expect((await alice.login({ client: restored.client })).data?.login.__typename).toBe(
      'SecondFactorRequired',
    );
    restored.clock.advance(60 + (gateway.clock.now() - restored.clock.now()) / 1000);
    gateway.clock.advance(60);
    const tokens = await alice.login({ client: restored.client, securityCode: factor.app.code() });
    const { accessToken, refreshToken } = tokensOf(tokens);
    expect((await alice.me(accessToken, restored.client)).data?.me?.id).toBe(alice.id);
    expect((await alice.refresh(refreshToken, restored.client)).errors).toEqual([]);
  });
});

import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { MikroORM } from '@mikro-orm/postgresql';
import { Activation, DeactivatedBy } from '../../src/accounts/index.ts';
import { SCHEMA } from '../../src/modules.ts';
import { AuditLog } from '../../src/platform/audit/index.ts';
import { createOrm } from '../../src/platform/database/index.ts';
import { PostgresEventFeed } from '../../src/platform/events/index.ts';
import { COMMAND_LINE } from '../../src/platform/request/index.ts';
import { keepSuperuser } from '../../src/roles/index.ts';
import {
  type AnnouncedTransaction,
  PostgresSessionStore,
  RevocationCache,
  Revocations,
  SignOut,
} from '../../src/sessions/index.ts';
import { TestGateway } from '../support/gateway.ts';
import { partOf } from '../support/part-of.ts';
import type { Subject } from '../support/subject.ts';

let gateway: TestGateway;
let orm: MikroORM;
let revocations: Revocations;
let activation: Activation;

beforeAll(async () => {
  gateway = await TestGateway.start();
  orm = createOrm({ url: gateway.database.servingUrl, schema: SCHEMA, poolSize: 4 });
  const fork = () => orm.em.fork();
  const audit = new AuditLog();
  const feed = new PostgresEventFeed(gateway.database.servingUrl, () => {});
  const revocationCache = new RevocationCache(
    fork,
    feed,
    { maxStalenessSeconds: 2, onReplaced: async () => {} },
    () => {},
  );
  revocations = new Revocations(feed, revocationCache, { accessTokenTtlSeconds: 3600 });
  const store = new PostgresSessionStore(revocations, {
    idleTtlSeconds: undefined,
    maxPerUser: 50,
  });
  const signOut = new SignOut({
    store,
    revocations,
    accessTokens: partOf('AccessTokens'),
    refreshTokens: partOf('RefreshTokens'),
    audit,
  });
  activation = new Activation(keepSuperuser, revocations, signOut, audit);
});
afterAll(async () => {
  await orm.close();
  await gateway.close();
});

const inTransaction = <T>(work: (tx: AnnouncedTransaction) => Promise<T>) =>
  revocations.transactional(orm.em.fork(), work);
const deactivate = ({ id }: Subject, by: DeactivatedBy) =>
  inTransaction((tx) => activation.deactivate(tx, { userId: id, actorId: null }, by, COMMAND_LINE));
const comeBack = ({ id }: Subject) => inTransaction((tx) => activation.comeBack(tx, id, COMMAND_LINE));
const state = async ({ id }: Subject) => {
  const [row] = await gateway.database.query<{ deactivated_by: string | null }>(
    'select deactivated_by from users where id = $1',
    [id],
  );
  return row?.deactivated_by;
};

describe('an owner', () => {
  it('can reactivate an account that they deactivated themselves', async () => {
    const alice = await gateway.aSubject();
    expect(await deactivate(alice, DeactivatedBy.OWNER)).toBe(true);
    expect(await state(alice)).toBe('OWNER');
    expect(await comeBack(alice)).toBe(true);
    expect(await state(alice)).toBeNull();
    expect(await comeBack(alice)).toBe(false);
  });

  it('cannot reactivate an account that an administrator deactivated, nor replace that state by their own', async () => {
    const alice = await gateway.aSubject();
    await deactivate(alice, DeactivatedBy.ADMIN);
    expect(await deactivate(alice, DeactivatedBy.OWNER)).toBe(false);
    expect(await comeBack(alice)).toBe(false);
    expect(await state(alice)).toBe('ADMIN');
  });

  it('cannot come back once an administrator also deactivated the account', async () => {
    const alice = await gateway.aSubject();
    await deactivate(alice, DeactivatedBy.OWNER);
    expect(await deactivate(alice, DeactivatedBy.ADMIN)).toBe(true);
    expect(await comeBack(alice)).toBe(false);
  });
});

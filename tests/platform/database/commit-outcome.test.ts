/** @topology one: loses answers of the database to a single process */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { newId } from '../../../src/platform/id.ts';
import { TestGateway } from '../../support/gateway.ts';
import { RegisterDocument } from '../../support/generated/operations.ts';
import { hasPgBouncer, TestPgBouncer } from '../../support/pgbouncer.ts';
import { TcpProxy } from '../../support/tcp-proxy.ts';

const WAYS = hasPgBouncer ? (['directly', 'by PgBouncer'] as const) : (['directly'] as const);

describe.each(WAYS)('a change whose COMMIT got no answer, sent %s', (way) => {
  let direct: TestGateway;
  let gateway: TestGateway;
  let proxy: TcpProxy;
  let bouncer: TestPgBouncer | undefined;

  beforeAll(async () => {
    direct = await TestGateway.start();
    const url = new URL(direct.database.servingUrl);
    proxy = await TcpProxy.to(url.hostname, Number(url.port));
    url.port = String(proxy.port);
    bouncer = way === 'by PgBouncer' ? await TestPgBouncer.start('transaction', [url.href]) : undefined;
    gateway = await direct.another({ DATABASE_URL: bouncer?.urlOf(url.href) ?? url.href });
  });
  afterAll(async () => {
    await proxy.close();
    await gateway.close();
    await bouncer?.close();
    await direct.close();
  });

  /** A registration whose COMMIT gets no answer. Returns the reply, and whether the account exists. */
  async function register(lose: (username: string) => Promise<void>) {
    const username = `subject-${newId().slice(-12)}`;
    const lost = lose(username);
    const reply = await gateway.client.execute(RegisterDocument, {
      input: { username, email: `${username}@example.test`, password: 'velvet anchor of the sea' },
    });
    await lost;
    const accounts = await direct.database.query('select from users where username = $1', [username]);
    return { reply, exists: accounts.length === 1 };
  }

  it('is reported as done when the database committed it', async () => {
    const { reply, exists } = await register((username) => proxy.loseCommitOf(username));
    expect(exists).toBe(true);
    expect(reply.errors).toEqual([]);
  });

  it('is reported as not done when the database never received the COMMIT', async () => {
    const { reply, exists } = await register((username) =>
      proxy.loseCommitOf(username, { undelivered: true }),
    );
    expect(exists).toBe(false);
    expect(reply.code).toBe('SERVICE_UNAVAILABLE');
    expect(reply.text).toContain('Nothing was changed');
  });

  it('is reported as unknown when the database cannot be asked any more', async () => {
    const { reply, exists } = await register(async (username) => {
      await proxy.loseCommitOf(username);
      proxy.freeze({ all: true });
    });
    proxy.thaw();
    expect(exists).toBe(true);
    expect(reply.code).toBe('SERVICE_UNAVAILABLE');
    expect(reply.text).toContain('It is unknown whether the change was made');
  });
});

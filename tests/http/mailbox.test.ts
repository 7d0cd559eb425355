import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { newId } from '../../src/platform/id.ts';
import { DevMailbox } from '../../src/platform/mail/index.ts';
import { SecretBox } from '../../src/platform/secret-box.ts';
import { keyring } from '../../src/platform/setting-parsers.ts';
import { newSecrets, TestGateway } from '../support/gateway.ts';

const secrets = newSecrets();
let gateway: TestGateway;

beforeAll(async () => {
  gateway = await TestGateway.start(secrets);
});
afterAll(() => gateway.close());

const get = (path: string, headers: Record<string, string> = {}) => fetch(gateway.url + path, { headers });
const mails = async () =>
  (await (await get('/dev/mailbox', { accept: 'application/json' })).json()) as Array<
    Record<'id' | 'at' | 'to' | 'subject' | 'text' | 'html', string>
  >;

describe('the development mailbox', () => {
  it('returns the mails as JSON, the newest first', async () => {
    const [alice, grace] = [await gateway.aSubject(), await gateway.aSubject()];
    await gateway.mailbox.expect(alice.email, /./);
    await gateway.mailbox.expect(grace.email, /./);
    const found = (await mails()).filter(({ to }) => [alice.email, grace.email].includes(to));
    expect(found).toHaveLength(2);
    expect(Object.keys(found[0] ?? {})).toEqual(['id', 'at', 'to', 'subject', 'text', 'html']);
    const times = (await mails()).map(({ at }) => at);
    expect(times).toEqual(times.toSorted().toReversed());
  });

  it('shows the content of a mail as text, never as part of its page', async () => {
    const box = new SecretBox(keyring(secrets.ENCRYPTION_KEY));
    const nasty = '<script>marked</script>"\'&';
    await new DevMailbox(gateway.gateway.fork, box).deliver(
      { to: nasty, subject: nasty, text: `${nasty} http://a.test/"onclick=marked`, html: '' },
      newId(),
    );
    const [{ id } = { id: '' }] = await mails();
    for (const path of ['/dev/mailbox', `/dev/mailbox/${id}`]) {
      const page = await (await get(path)).text();
      expect(page).toContain('&lt;script&gt;marked');
      expect(page).not.toContain('<script');
      expect(page).not.toContain('"onclick');
    }
  });

  it('shows the HTML of a mail in a sandbox without scripts and external content', async () => {
    const alice = await gateway.aSubject();
    const { id } = await gateway.mailbox.expect(alice.email, /./);
    const response = await get(`/dev/mailbox/${id}/html`);
    const policy = response.headers.get('content-security-policy');
    expect(policy).toContain("default-src 'none'");
    expect(policy).toContain('sandbox allow-popups');
    expect(policy).not.toContain('allow-scripts');
    expect(await response.text()).toContain('<base target="_blank">');
  });

  it.each(['/dev/mailbox/nonsense', '/dev/mailbox/01a1fbfe-6811-7000-8000-000000000000'])(
    'has no %s',
    async (path) => {
      expect((await get(path)).status).toBe(404);
    },
  );

  it('answers only the developer', async () => {
    expect((await get('/dev/mailbox', { 'x-forwarded-for': '203.0.113.7' })).status).toBe(404);
  });

  it.each([
    { SMTP_URL: 'smtp://127.0.0.1:9' },
    { NODE_ENV: 'production', RATE_LIMIT: 'on', PASSWORD_BCRYPT_COST: '10' },
  ])('does not exist with %o', async (settings) => {
    const other = await gateway.another(settings);
    try {
      expect((await fetch(`${other.url}/dev/mailbox`)).status).toBe(404);
    } finally {
      await other.close();
    }
  });
});

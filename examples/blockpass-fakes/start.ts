/**
 * npm run blockpass-fakes [-- --port 4100 --endpoints FILE.json]
 *
 * A Blockpass API and a page that plays the phone. FILE.json contains the endpoints that the service would register at
 * Blockpass. Without it, the service is expected on http://localhost:$PORT, by default 4000.
 */
import { readFileSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { parseArgs } from 'node:util';
import { type Endpoints, FakeApp, FakeBlockpass, Person, SigningKey } from './index.ts';

const { values } = parseArgs({
  options: { port: { type: 'string', default: '4100' }, endpoints: { type: 'string' } },
});

const prefix = `http://localhost:${process.env.PORT || 4000}/blockpass/api`;
const endpoints: Endpoints = values.endpoints
  ? (JSON.parse(readFileSync(values.endpoints, 'utf8')) as Endpoints)
  : {
      status: `${prefix}/status`,
      login: `${prefix}/login`,
      register: `${prefix}/register`,
      upload: `${prefix}/uploadData`,
      resubmit: `${prefix}/resubmit`,
    };

const issuer = new SigningKey('blockpass-fake-issuer-key');
const blockpass = new FakeBlockpass({
  clientId: 'developer_service',
  clientSecret: 'developer_service',
  fields: 'family_name given_name address dob phone passport selfie proof_of_address email'.split(' '),
  certificates: ['onfido-service-cert'],
  address: issuer.address,
  endpoints,
});
const phones = new Map(
  ['Ada Lovelace', 'Grace Hopper', 'Alan Turing'].map((name) => [
    name,
    new FakeApp(blockpass, new Person(name)),
  ]),
);

blockpass.serve(async (request: IncomingMessage, body: string) => {
  if (request.method === 'GET' && request.url === '/') return page();
  if (request.method !== 'POST' || request.url !== '/phone') return undefined;
  const { name, action, qrText } = JSON.parse(body) as Record<string, string>;
  const phone = phones.get(name ?? '');
  if (!phone) return undefined;
  const before = phone.log.length;
  let failure: string | undefined;
  try {
    // GraphQL explorers show the text as a JSON string, with backslashes before its quotes.
    if (action === 'scan')
      await phone.scan((qrText ?? '').trim().replace(/^"|"$/g, '').replaceAll('\\"', '"'));
    else if (action === 'retake') phone.enter('selfie', new Person('x').fields.get('selfie') ?? '');
    else await phone.open();
  } catch (error) {
    failure = String(error);
  }
  const notices = blockpass.notices.filter(({ person }) => person === phone.person.id);
  return { log: phone.log.slice(before), failure, notices };
});

const page = () => `<!doctype html><meta charset="utf-8"><title>Fake Blockpass phone</title>
<style>body{font:16px system-ui;max-width:44rem;margin:2rem auto;padding:0 1rem}textarea{width:100%;height:4rem}pre{background:#eee;padding:1rem;overflow:auto}button{margin:.5rem .5rem .5rem 0}</style>
<h1>Fake Blockpass phone</h1>
<p>Whose phone: <select id="name">${[...phones.keys()].map((name) => `<option>${name}</option>`).join('')}</select></p>
<p>Content of the QR code (the field <code>qrText</code>):</p>
<textarea id="qr" placeholder='{"clientId":"developer_service","session":"..."}'></textarea>
<button id="scan">Scan</button><button id="open">Open the service in the app</button><button id="retake">Take another selfie</button>
<pre id="out">Nothing has happened yet.</pre>
<script>
for (const action of ['scan', 'open', 'retake']) document.getElementById(action).onclick = async () => {
  const body = JSON.stringify({ action, name: document.getElementById('name').value, qrText: document.getElementById('qr').value });
  const answer = await (await fetch('/phone', { method: 'POST', body })).json();
  document.getElementById('out').textContent = JSON.stringify(answer, null, 2);
};
</script>`;

const url = await blockpass.start(Number(values.port));
process.stdout.write(`
  Fake Blockpass API   ${url}
  Fake phone           ${url}/   (paste the content of the QR code)
  Service expected at  ${new URL(endpoints.status).origin}

  Start the service with
    BLOCKPASS_BASE_URL=${url} BLOCKPASS_SIGNING_KEY=${issuer.walletImportFormat} npm start

`);

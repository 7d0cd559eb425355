import { randomBytes, randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type CertificateDocument, SigningKey, schema, verify } from './certificates.ts';
import { hash } from './merkle-tree.ts';
import { isPicture, type Person } from './person.ts';

/** Absolute URLs that a service has registered at Blockpass. */
export interface Endpoints {
  status: string;
  login: string;
  register: string;
  upload: string;
  resubmit: string;
}

/** A service as registered at Blockpass. */
export interface Service {
  clientId: string;
  clientSecret: string;
  /** The fields that the service may ask for. The app sends no others. */
  fields: string[];
  certificates: string[];
  /** Bitcoin address under which the service signs certificates. */
  address: string;
  endpoints: Endpoints;
}

export interface Session {
  code: string;
  clientId: string;
  status: 'created' | 'processing' | 'success' | 'failed';
  extraData: unknown;
}

interface Token {
  access: string;
  refresh: string;
  person: Person;
  session: string | null;
  expiresAt: number;
}

interface Code {
  person: Person;
  session: string | null;
}

/** Calls of the API. */
export type CallName =
  | 'session'
  | 'handshake'
  | 'refresh'
  | 'profile'
  | 'complete'
  | 'state'
  | 'notice'
  | 'proofs'
  | 'certificate'
  | 'schema'
  | 'key'
  | 'service';
/** Failures of a call; a number is an HTTP status. `lost`: the work is done, but the answer does not arrive. */
export type Trouble = number | 'hang' | 'huge' | 'redirect' | 'nonsense' | 'cut' | 'lost';

/** Behaviour that no publication specifies. */
export interface Rules {
  codesWorkOnce: boolean;
  refreshVoidsOldTokens: boolean;
  /** Seconds. */
  tokenLifetime: number;
}

/** A stand-in for the Blockpass API (generation v0.3), with all its state in memory. */
export class FakeBlockpass {
  readonly service: Service;
  readonly sessions = new Map<string, Session>();
  readonly codes = new Map<string, Code>();
  readonly people = new Map<string, Person>();
  /** Notices that were pushed to phones. */
  readonly notices: Array<{ person: string; title: string; message: string }> = [];
  /** Certificates that services issued, countersigned. */
  readonly issued: Array<{ person: string; document: CertificateDocument }> = [];
  /** Every call that arrived, in order. */
  readonly calls: CallName[] = [];
  /** Calls that go wrong from now on. */
  readonly trouble = new Map<CallName, Trouble>();
  readonly rules: Rules = { codesWorkOnce: true, refreshVoidsOldTokens: true, tokenLifetime: 3600 };
  readonly countersigner = new SigningKey('blockpass-fake-countersigner-key');
  /** Other issuers whose certificates Blockpass confirms: client id by Bitcoin address. */
  readonly issuers = new Map<string, string>();
  /** Kinds of certificates of other issuers, by client id. */
  readonly kinds = new Map<string, string[]>();
  private readonly tokens = new Map<string, Token>();
  private readonly server: Server = createServer((request, response) => void this.answer(request, response));
  private extraRoutes: ((request: IncomingMessage, body: string) => Promise<unknown>) | undefined;

  constructor(service: Service) {
    this.service = service;
    this.issuers.set(service.address, service.clientId);
    this.issuers.set(this.countersigner.address, 'blockpass');
  }

  async start(port = 0, host = '127.0.0.1'): Promise<string> {
    await new Promise<void>((resolve) => this.server.listen(port, host, resolve));
    return this.url;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }

  /** Serves more pages next to the API, such as a phone to play with. */
  serve(routes: (request: IncomingMessage, body: string) => Promise<unknown>): void {
    this.extraRoutes = routes;
  }

  // ------------------------------------------------------------- requests of the app to Blockpass

  join(person: Person): Person {
    this.people.set(person.id, person);
    return person;
  }

  /** Marks a QR code as scanned. It is unusable for others from now on. */
  take(sessionCode: string): Session {
    const session = this.sessions.get(sessionCode);
    if (session?.status !== 'created') throw new Error('this QR code has expired or was used');
    session.status = 'processing';
    return session;
  }

  /** Makes an authorization code, which the app gives to the service. */
  authorize(person: Person, session: string | null): string {
    const code = `ac_${randomBytes(12).toString('hex')}`;
    this.codes.set(code, { person, session });
    return code;
  }

  /** Refuses every access token with 401 from now on, before its lifetime is over. The tokens can still be renewed. */
  refuseTokens(): void {
    for (const token of this.tokens.values()) token.expiresAt = 0;
  }

  // ------------------------------------------------------------- requests of services and websites

  private async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = new URL(request.url ?? '/', this.url).pathname.replace(/\/$/, '');
    const body = await readAll(request);
    const [name, work] = this.route(`${request.method} ${path}`, request, body);
    const trouble = name === undefined ? undefined : this.trouble.get(name);
    if (name !== undefined) this.calls.push(name);
    if (trouble !== undefined && trouble !== 'lost') return misbehave(trouble, response, this.url);
    try {
      const reply = await work();
      if (trouble === 'lost') return void response.destroy();
      if (reply === undefined) throw new Refusal(404);
      if (typeof reply === 'string')
        response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' }).end(reply);
      else response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(reply));
    } catch (error) {
      const status = error instanceof Refusal ? error.status : 500;
      response.writeHead(status, { 'content-type': 'application/json' });
      response.end(JSON.stringify({ err: status, msg: String(error) }));
    }
  }

  // Routes by hand, since an example needs no framework.
  private route(
    target: string,
    request: IncomingMessage,
    text: string,
  ): [CallName | undefined, () => Promise<unknown> | unknown] {
    const body = parse(text);
    const token = () => this.bearer(request.headers.authorization);
    const last = decodeURIComponent(target.split('/').at(-1) ?? '');
    if (/^POST \/api\/v0\.3\/service\/register\//.test(target))
      return ['session', () => this.createSession(last)];
    if (/^GET \/api\/v0\.3\/service\/register\//.test(target))
      return ['state', () => this.sessionState(last)];
    if (/^GET \/api\/v0\.3\/service\/clientId\//.test(target)) return ['service', () => this.metadata(last)];
    if (/^GET \/api\/v0\.3\/service\/pubKeyHash\//.test(target)) return ['key', () => this.publicKey(last)];
    if (/^GET \/api\/schema\//.test(target)) return ['schema', () => schema];
    switch (target) {
      case 'POST /api/v0.3/oauth2/token':
        return ['handshake', () => this.handshake(body)];
      case 'POST /api/v0.3/service/renewStoc':
        return ['refresh', () => this.refresh(body)];
      case 'POST /api/v0.3/oauth2/profile':
        return ['profile', () => this.profile(token())];
      case 'POST /api/v0.3/service/complete':
        return ['complete', () => this.complete(token(), body)];
      case 'POST /api/v0.3/certificate_new/feedBack':
        return ['notice', () => this.notice(token(), body)];
      case 'POST /api/v0.3/service/getProof':
        return ['proofs', () => this.proofs(token(), body)];
      case 'PUT /api/v0.3/certificate_new':
        return ['certificate', () => this.certificate(token(), body as CertificateDocument)];
      default:
        return [undefined, () => this.extraRoutes?.(request, text)];
    }
  }

  private createSession(clientId: string) {
    if (clientId !== this.service.clientId) throw new Refusal(404);
    const code = randomUUID();
    this.sessions.set(code, { code, clientId, status: 'created', extraData: '' });
    return { status: 'success', session: code };
  }

  private sessionState(code: string) {
    const session = this.sessions.get(code);
    if (!session) throw new Refusal(404);
    return { status: session.status, extraData: session.extraData };
  }

  private metadata(clientId: string) {
    const certificate = this.kinds.get(clientId) ?? [];
    if (clientId !== this.service.clientId) {
      if (![...this.issuers.values()].includes(clientId)) throw new Refusal(404);
      return {
        clientId,
        name: clientId,
        requirement: [],
        certificate,
        certRequirement: [],
        status: 'active',
      };
    }
    const { fields, certificates } = this.service;
    const requirement = fields.map((slug, index) => {
      return { _id: String(index), cat: isPicture(slug) ? 'file' : 'info', slug, name: slug };
    });
    const certRequirement = certificates;
    return { clientId, name: clientId, requirement, certificate, certRequirement, status: 'active' };
  }

  private publicKey(creatorHash: string) {
    for (const [address, clientId] of this.issuers) {
      if (hash(address) === creatorHash)
        return { status: 'success', result: { publicKey: address, clientId } };
    }
    throw new Refusal(404);
  }

  private handshake(body: Record<string, unknown>) {
    const { clientId, clientSecret } = this.service;
    if (body.client_id !== clientId || body.client_secret !== clientSecret) throw new Refusal(401);
    const code = this.codes.get(String(body.code));
    if (!code || code.session !== (body.session_code ?? null)) throw new Refusal(400);
    if (this.rules.codesWorkOnce) this.codes.delete(String(body.code));
    return this.issue(code.person, code.session);
  }

  private refresh(body: Record<string, unknown>) {
    const old = this.tokens.get(String(body.stoc));
    if (!old || old.refresh !== body.stoc_refresh) throw new Refusal(401);
    if (body.client_secret !== this.service.clientSecret) throw new Refusal(401);
    if (this.rules.refreshVoidsOldTokens) this.tokens.delete(old.access);
    return this.issue(old.person, old.session);
  }

  private issue(person: Person, session: string | null) {
    const token = {
      access: randomBytes(24).toString('base64url'),
      refresh: randomBytes(16).toString('hex'),
      person,
      session,
      expiresAt: Date.now() + this.rules.tokenLifetime * 1000,
    };
    this.tokens.set(token.access, token);
    return {
      access_token: token.access,
      token_type: 'Bearer',
      expires_in: this.rules.tokenLifetime,
      refresh_token: token.refresh,
    };
  }

  /** Reads the bare token. With `Bearer` before it, the token is unknown. */
  private bearer(header: string | undefined): Token {
    const token = this.tokens.get(header ?? '');
    if (!token || token.expiresAt <= Date.now()) throw new Refusal(401);
    return token;
  }

  private profile({ person }: Token) {
    return {
      id: person.id,
      smartContractId: `0x${hash(person.id).slice(0, 40)}`,
      rootHash: person.tree.root,
      isSynching: person.isSynching,
      smartContractAddress: '0x9a40',
      network: 'https://rinkeby.etherscan.io/',
    };
  }

  private complete(token: Token, body: Record<string, unknown>) {
    const { result } = body;
    if (result !== 'success' && result !== 'failed') throw new Refusal(400);
    const data = parseStrictly(body.custom_data);
    const session = this.sessions.get(token.session ?? '');
    if (session?.status !== 'processing') throw new Refusal(409);
    for (const key of ['session_Code', 'sessionData']) {
      if (data[key] !== undefined && data[key] !== session.code) throw new Refusal(400);
    }
    session.status = result;
    session.extraData = data;
    return { status: 'success' };
  }

  private notice({ person }: Token, body: Record<string, unknown>) {
    const { title, mssg } = (body.noti ?? {}) as Record<string, unknown>;
    if (typeof mssg !== 'string') throw new Refusal(400);
    this.notices.push({ person: person.id, title: String(title), message: mssg });
    return { status: 'success' };
  }

  private proofs({ person }: Token, body: Record<string, unknown>) {
    const slugs = Array.isArray(body.slug_list) ? body.slug_list.map(String) : [];
    const proofList = Object.fromEntries(slugs.map((slug) => [slug, person.tree.proof(slug)]));
    return { status: 'success', proofList };
  }

  private async certificate({ person }: Token, document: CertificateDocument) {
    const signature = [document.signature ?? []].flat()[0];
    const hashOfAddress = signature?.creator.slice(1);
    const address = [...this.issuers.keys()].find((candidate) => hash(candidate) === hashOfAddress);
    if (!signature || !address || !(await verify(document, signature, address))) throw new Refusal(400);
    const created = new Date().toISOString().replace(/\.\d+Z/, 'Z');
    const second = await this.countersigner.sign(document, created, 'sandbox@0.0.1,rinkeby:0x000');
    this.issued.push({ person: person.id, document: { ...document, signature: [signature, second] } });
    return { status: 'success' };
  }
}

class Refusal extends Error {
  readonly status: number;

  constructor(status: number) {
    super(`refused with ${status}`);
    this.status = status;
  }
}

function misbehave(trouble: Trouble, response: ServerResponse, url: string): void {
  if (trouble === 'hang') return;
  if (trouble === 'cut') response.destroy();
  else if (trouble === 'redirect') response.writeHead(302, { location: `${url}/elsewhere` }).end();
  else if (trouble === 'nonsense') response.writeHead(200).end('<html>not what you expect</html>');
  else if (typeof trouble === 'number') response.writeHead(trouble).end('{}');
  else flood(response);
}

/** Sends a hundred megabytes of JSON, as fast as the other side takes them. */
function flood(response: ServerResponse): void {
  const piece = Buffer.alloc(64 * 1024, ' ');
  let left = 1600;
  const more = () => {
    while (left > 0 && response.write(piece)) left--;
    if (left-- > 0) response.once('drain', more);
    else response.end('{}');
  };
  response.on('error', () => {});
  response.writeHead(200, { 'content-type': 'application/json' });
  more();
}

async function readAll(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks).toString('utf8');
}

/** Parses JSON inside a string; refuses anything else. */
function parseStrictly(text: unknown): Record<string, unknown> {
  try {
    const value: unknown = typeof text === 'string' ? JSON.parse(text) : undefined;
    if (typeof value === 'object' && value !== null) return value as Record<string, unknown>;
  } catch {
    // Refused like any other value that is not an object.
  }
  throw new Refusal(400);
}

function parse(text: string): Record<string, unknown> {
  if (text === '') return {};
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}

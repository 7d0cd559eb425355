import { constants, createHmac, createPrivateKey, generateKeyPairSync, sign } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type MutableToken, OAuth2Issuer, OAuth2Service } from 'oauth2-mock-server';
import type { Environment } from '../../src/platform/settings.ts';
import type { Client, Reply } from './client.ts';
import {
  LoginWithGoogleDocument,
  type LoginWithGoogleMutation,
  StartGoogleSignInDocument,
} from './generated/operations.ts';

export const CLIENT_ID = 'gateway.apps.example.test';
const CLIENT_SECRET = 'the client secret of the tests';

/** Claims of an ID token. Undefined removes a claim. */
export type Claims = Record<string, unknown>;

/** How the stand-in misbehaves. The answers of `redirected` and `huge` would be correct if they were read. */
export type Failure = 'silent' | 'broken' | 'garbage' | 'trickling' | 'redirected' | 'huge';

/** A person with a Google account. */
export interface Person {
  sub: string;
  email?: string;
  email_verified?: boolean | undefined;
  hd?: string;
}

let people = 0;

/** A person whose address Google hosts, unless the claims say otherwise. */
export function aPerson(facts: Partial<Person> = {}): Person {
  people += 1;
  const unique = `${Date.now().toString(36)}${people}`;
  return { sub: `10${unique}`, email: `person.${unique}@gmail.com`, email_verified: true, ...facts };
}

/** An OpenID issuer on loopback in which a test can change every claim (oauth2-mock-server). */
export class GoogleStandIn {
  /** The requested paths, in order. */
  readonly requests: string[] = [];
  /** The bodies of requests and replies at the token endpoint, in order. */
  readonly tokenRequests: Array<Readonly<Record<string, string>>> = [];
  failure: Failure | null = null;
  /** Milliseconds of delay for a path. */
  delays: Readonly<Record<string, number>> = {};
  /** The person who signs in by the redirect flow, and additional claims of their ID token. */
  person: Person = aPerson();
  alteration: Claims = {};
  /** Additional members in the reply of the token endpoint, or null for an empty reply. */
  answer: Record<string, unknown> | null = {};
  private readonly hanging = new Set<ServerResponse>();

  private constructor(
    readonly url: string,
    private readonly server: Server,
    private readonly issuer: OAuth2Issuer,
  ) {}

  static async start(): Promise<GoogleStandIn> {
    const issuer = new OAuth2Issuer();
    const service = new OAuth2Service(issuer);
    const server = createServer((request, response) => standIn.handle(request, response, service));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    issuer.url = `http://127.0.0.1:${port}`;
    const standIn = new GoogleStandIn(issuer.url, server, issuer);
    await standIn.addKey('first');
    service.on('beforeTokenSigning', ({ payload }: MutableToken) => {
      if ('scope' in payload) return; // the access token
      apply(payload, { ...standIn.person, azp: CLIENT_ID, ...standIn.alteration });
    });
    service.on(
      'beforeResponse',
      (response: { body: object | null }, { body }: { body: Record<string, string> }) => {
        standIn.tokenRequests.push(body);
        response.body = standIn.answer && { ...response.body, ...standIn.answer };
      },
    );
    return standIn;
  }

  /** The settings of a gateway that uses this as Google. */
  get settings(): Environment {
    return {
      GOOGLE_CLIENT_ID: CLIENT_ID,
      GOOGLE_CLIENT_SECRET: CLIENT_SECRET,
      GOOGLE_ISSUER_URL: this.url,
    };
  }

  async addKey(kid: string): Promise<void> {
    await this.issuer.keys.generate('RS256', { kid });
  }

  keyRequests(): number {
    return this.requestsOf('/jwks');
  }

  requestsOf(path: '/jwks' | '/token'): number {
    return this.requests.filter((requested) => requested === path).length;
  }

  /** An ID token that is valid except for the given claims and header. */
  idToken(claims: Claims, header: Claims = {}): Promise<string> {
    return this.issuer.buildToken({
      kid: typeof header.kid === 'string' ? header.kid : 'first',
      scopesOrTransform: (itsHeader, payload) => {
        apply(payload, { aud: CLIENT_ID, ...claims });
        Object.assign(itsHeader, header);
      },
    });
  }

  /** Signs as the test asks: with the genuine key, or like an attacker who only knows the public one. */
  async forged(claims: Claims, alg: 'none' | 'HS256' | 'RS512' | 'PS256' | 'other key'): Promise<string> {
    const [key] = this.issuer.keys.toJSON(true);
    const privateKey = createPrivateKey({ key: key as never, format: 'jwk' });
    const [, payload] = (await this.idToken(claims)).split('.');
    const header = { kid: 'first', typ: 'JWT', alg: alg === 'other key' ? 'RS256' : alg };
    const signed = `${Buffer.from(JSON.stringify(header)).toString('base64url')}.${payload}`;
    const bytes = Buffer.from(signed);
    const pss = { key: privateKey, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 };
    const other = () => generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey;
    const signature = {
      none: () => Buffer.alloc(0),
      HS256: () => createHmac('sha256', JSON.stringify(this.issuer.keys.toJSON()[0])).update(bytes).digest(),
      // The signature is one of RS256, and only the header names another algorithm.
      RS512: () => sign('sha256', bytes, privateKey),
      PS256: () => sign('sha256', bytes, pss),
      'other key': () => sign('sha256', bytes, other()),
    }[alg]();
    return `${signed}.${signature.toString('base64url')}`;
  }

  async close(): Promise<void> {
    for (const response of this.hanging) response.destroy();
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private handle(request: IncomingMessage, response: ServerResponse, service: OAuth2Service): void {
    const { pathname = '' } = URL.parse(request.url ?? '', this.url) ?? {};
    this.requests.push(pathname);
    const answer = () => service.requestHandler(request, response);
    const failures: Record<Failure, () => unknown> = {
      silent: () => this.hanging.add(response),
      broken: () => response.writeHead(500).end(),
      garbage: () => response.writeHead(200).end('<html>'),
      trickling: () => {
        this.hanging.add(response.writeHead(200));
        const drops = setInterval(() => response.write(' '), 100);
        response.once('close', () => clearInterval(drops));
      },
      redirected: () => {
        if (request.url?.includes('redirected')) answer();
        else response.writeHead(307, { location: `${pathname}?redirected` }).end();
      },
      huge: () => {
        const end = response.end.bind(response) as (body: string) => ServerResponse;
        response.end = (body: unknown) => {
          response.removeHeader('content-length');
          return end(`${body}${' '.repeat(300_000)}`);
        };
        answer();
      },
    };
    const delay = this.delays[pathname];
    if (this.failure) failures[this.failure]();
    else if (delay === undefined) answer();
    else {
      const late = setTimeout(answer, delay).unref();
      response.once('close', () => clearTimeout(late));
    }
  }
}

function apply(payload: Record<string, unknown>, claims: Claims): void {
  for (const [name, value] of Object.entries(claims)) {
    if (value === undefined) delete payload[name];
    else payload[name] = value;
  }
}

/** A nonce that the gateway issued. */
export async function newNonce(client: Client): Promise<string> {
  const { data, text } = await client.execute(StartGoogleSignInDocument, {});
  if (!data) throw new Error(`no nonce: ${text}`);
  return data.startGoogleSignIn.nonce;
}

/** Signs a person in as One Tap does. */
export async function oneTap(
  client: Client,
  standIn: GoogleStandIn,
  person: Person,
  claims: Claims = {},
): Promise<Reply<LoginWithGoogleMutation>> {
  const nonce = await newNonce(client);
  const idToken = await standIn.idToken({ ...person, nonce, ...claims });
  return client.execute(LoginWithGoogleDocument, { idToken });
}

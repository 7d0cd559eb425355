import { randomBytes } from 'node:crypto';
import { type DocumentNode, print } from 'graphql';
import { createClient, type Client as SubscriptionClient } from 'graphql-ws';
import { WebSocket } from 'ws';
import {
  FakeApp,
  FakeBlockpass,
  Person,
  type Service,
  SigningKey,
} from '../../examples/blockpass-fakes/index.ts';
import type { Environment } from '../../src/platform/settings.ts';
import type { Client, Reply, RequestOptions } from './client.ts';
import { TestGateway } from './gateway.ts';
import {
  BlockpassSignInDocument,
  CompleteBlockpassSignInDocument,
  type CompleteBlockpassSignInMutation,
  FollowBlockpassSignInDocument,
  type FollowBlockpassSignInSubscription,
  KycRecordsDocument,
  StartBlockpassSignInDocument,
} from './generated/operations.ts';
import { eventually } from './race.ts';
import { noteSecrets } from './secret-watch.ts';
import type { Subject } from './subject.ts';

export const ALL_FIELDS =
  'family_name given_name address dob phone passport selfie proof_of_address email'.split(' ');

export const issuerKey = new SigningKey('blockpass-fake-issuer-key');

/**
 * A Blockpass of the test's own, with one registered service. The endpoints of the service are set once they
 * are known.
 */
export async function startBlockpass(service: Partial<Service> = {}): Promise<FakeBlockpass> {
  const nowhere = 'http://127.0.0.1:9';
  const blockpass = new FakeBlockpass({
    clientId: 'developer_service',
    clientSecret: 'developer_service',
    fields: ALL_FIELDS,
    certificates: ['onfido-service-cert'],
    address: issuerKey.address,
    endpoints: { status: nowhere, login: nowhere, register: nowhere, upload: nowhere, resubmit: nowhere },
    ...service,
  });
  await blockpass.start();
  return blockpass;
}

/** A gateway that uses the test's own Blockpass. */
export interface BlockpassWorld {
  readonly gateway: TestGateway;
  readonly blockpass: FakeBlockpass;
  /** A new person with the app. */
  person(name?: string, fields?: Record<string, string | Uint8Array>): FakeApp;
  /** The access token of a signed-in reviewer. */
  reviewer(): Promise<string>;
  close(): Promise<void>;
}

export async function startBlockpassWorld(settings: Environment = {}): Promise<BlockpassWorld> {
  const blockpass = await startBlockpass();
  const gateway = await TestGateway.start({ BLOCKPASS_BASE_URL: blockpass.url, ...settings });
  pointAppAt(blockpass, gateway.url);
  const apps: FakeApp[] = [];
  return {
    gateway,
    blockpass,
    person: (name = `Person ${randomBytes(4).toString('hex')}`, fields = {}) => {
      const app = new FakeApp(blockpass, new Person(name, fields));
      apps.push(app);
      return app;
    },
    reviewer: () => aReviewer(gateway),
    close: async () => {
      noteSecrets(apps.map(({ log }) => log));
      await gateway.close();
      await blockpass.stop();
    },
  };
}

/** The registration of the service at Blockpass. */
export function pointAppAt(blockpass: FakeBlockpass, url: string, path = '/blockpass/api'): void {
  const prefix = url + path;
  blockpass.service.endpoints = {
    status: `${prefix}/status`,
    login: `${prefix}/login`,
    register: `${prefix}/register`,
    upload: `${prefix}/uploadData`,
    resubmit: `${prefix}/resubmit`,
  };
}

/** @returns the access token of a reviewer. */
async function aReviewer(gateway: TestGateway): Promise<string> {
  return signedInReviewer(gateway, await gateway.aSubject());
}

/**
 * The same for an account of the test. The role is written to the database directly, so the gateway knows it
 * a moment later.
 */
export async function signedInReviewer(gateway: TestGateway, reviewer: Subject): Promise<string> {
  await grantReview(gateway, reviewer.id);
  const { accessToken } = await reviewer.signedIn();
  const mayReview = async () =>
    (await gateway.client.execute(KycRecordsDocument, { first: 1 }, { bearer: accessToken })).code;
  await eventually(mayReview, (code) => code === undefined);
  return accessToken;
}

/** Valid from their next sign-in on. */
export async function grantReview(gateway: TestGateway, userId: string): Promise<void> {
  const role = `reviewer-${randomBytes(4).toString('hex')}`;
  await gateway.database.query(
    `with made as (insert into role (id, name, permissions) values (gen_random_uuid(), $1, '{kyc:review}') returning id)
     insert into role_grant (user_id, role_id) select $2, id from made`,
    [role, userId],
  );
  // Written to the database directly. The gateway rereads roles when it is told that they changed.
  await gateway.database.query(
    `insert into ending (kind, matters_until, kept_until) values ('ROLES', now() + interval '1 hour', now() + interval '1 hour')`,
  );
}

/** A page that shows a QR code: it starts the sign-in and waits for it. */
export class SignInPage {
  private constructor(
    readonly browser: Client,
    readonly id: string,
    readonly secret: string,
    readonly qrText: string,
  ) {}

  static async open(browser: Client, bearer?: string): Promise<SignInPage> {
    const { data, text } = await browser.execute(StartBlockpassSignInDocument, {}, { bearer });
    if (!data) throw new Error(text);
    const { id, secret, qrText } = data.startBlockpassSignIn;
    return new SignInPage(browser, id, secret ?? '', qrText);
  }

  async state(): Promise<string | undefined> {
    const { data } = await this.browser.execute(BlockpassSignInDocument, {
      id: this.id,
      secret: this.secret,
    });
    return data?.blockpassSignIn?.state;
  }

  /** Every state that the subscription sends, until it ends. */
  async follow(
    socket: SubscriptionClient,
    secret: string | null = this.secret,
    onState: (state: string) => void = () => {},
  ): Promise<string[]> {
    const states: string[] = [];
    const variables = { id: this.id, secret };
    const query = print(FollowBlockpassSignInDocument as DocumentNode);
    for await (const { data, errors } of socket.iterate<FollowBlockpassSignInSubscription>({
      query,
      variables,
    })) {
      if (errors) throw new Error(JSON.stringify(errors));
      if (!data) continue;
      states.push(data.blockpassSignIn.state);
      onState(data.blockpassSignIn.state);
    }
    return states;
  }

  complete(
    options: RequestOptions & { secret?: string | null } = {},
  ): Promise<Reply<CompleteBlockpassSignInMutation>> {
    const { secret = this.secret, ...request } = options;
    return this.browser.execute(CompleteBlockpassSignInDocument, { id: this.id, secret }, request);
  }

  /** @returns the signed-in user. */
  async signedIn(options: RequestOptions = {}): Promise<{ id: string; accessToken: string }> {
    const { data, text } = await this.complete(options);
    const result = data?.completeBlockpassSignIn;
    if (!result || !('user' in result) || !result.accessToken) throw new Error(text);
    return { id: result.user.id, accessToken: result.accessToken };
  }
}

/** A WebSocket client of the gateway. */
export const subscriptionClient = (
  url: string,
  {
    connectionParams,
    headers,
  }: { connectionParams?: Record<string, unknown>; headers?: Record<string, string> } = {},
): SubscriptionClient =>
  createClient({
    url: `${url.replace(/^http/, 'ws')}/graphql`,
    retryAttempts: 0,
    ...(connectionParams && { connectionParams }),
    webSocketImpl: class extends WebSocket {
      constructor(address: string, protocols: string) {
        super(address, protocols, { headers });
      }
    },
  });

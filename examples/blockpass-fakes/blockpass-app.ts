import type { FakeBlockpass } from './blockpass-api.ts';
import { isPicture, type Person } from './person.ts';

export interface ItemStatus {
  slug: string;
  status: string;
  comment?: string;
}

export interface StatusAnswer {
  status: string;
  message?: string;
  createdDate?: string;
  allowResubmit?: boolean;
  identities: ItemStatus[];
  certificates: ItemStatus[];
}

export interface NextAction {
  nextAction: string;
  accessToken?: string;
  requiredFields?: string[];
  optionalFields?: string[];
  certs?: string[];
  message?: string;
}

/** An error answer of a service. */
export class ServiceError extends Error {
  readonly status: number;
  readonly body: { err?: number; msg?: string };

  constructor(status: number, body: { err?: number; msg?: string }) {
    super(`the service answered ${status}: ${body.msg}`);
    this.status = status;
    this.body = body;
  }
}

/** A stand-in for the Blockpass app of one person (app 1.3). */
export class FakeApp {
  /** Every answer of the service in order, with the name of its call. */
  readonly log: Array<{ call: string; answer: unknown }> = [];
  /** Certificates that the person agrees to send. */
  readonly consents = new Set<string>();
  /** Fields that were changed on the phone since the last upload. */
  private readonly changed = new Set<string>();
  private readonly blockpass: FakeBlockpass;
  readonly person: Person;

  constructor(blockpass: FakeBlockpass, person: Person) {
    this.blockpass = blockpass;
    this.person = blockpass.join(person);
  }

  /** Changes a value on the phone. */
  enter(slug: string, value: string | Uint8Array): void {
    this.person.enter(slug, value);
    this.changed.add(slug);
  }

  /** Scans a QR code and does what the service asks for. */
  async scan(qrText: string): Promise<StatusAnswer> {
    const { clientId, session } = JSON.parse(qrText) as { clientId: string; session: string };
    if (clientId !== this.blockpass.service.clientId) throw new Error('no such service');
    this.blockpass.take(session);
    return this.walk(session);
  }

  /** Opens the service in the app, without a website. */
  open(): Promise<StatusAnswer> {
    return this.walk(null);
  }

  private async walk(session: string | null): Promise<StatusAnswer> {
    const status = await this.status(session);
    if (status.status === 'notFound') {
      await this.follow(session === null ? await this.register() : await this.login(session));
    } else if (status.allowResubmit) {
      const due = (item: ItemStatus) => item.status === 'missing' || item.status === 'rejected';
      const fields = status.identities.filter((item) => due(item) || this.changed.has(item.slug));
      const certificates = status.certificates.filter((item) => due(item) && this.consents.has(item.slug));
      if (fields.length + certificates.length > 0) {
        await this.follow(await this.resubmit(slugs(fields), slugs(certificates)));
      }
    }
    return status;
  }

  // ------------------------------------------------------------- single calls, for tests that make mistakes

  status(session: string | null): Promise<StatusAnswer> {
    return this.post('status', { code: this.code(session), sessionCode: session });
  }

  login(session: string): Promise<NextAction> {
    return this.post('login', { code: this.code(session), sessionCode: session });
  }

  register(): Promise<NextAction> {
    return this.post('register', { code: this.code(null) });
  }

  resubmit(fieldList: string[], certList: string[]): Promise<NextAction> {
    return this.post('resubmit', { code: this.code(null), fieldList, certList });
  }

  code(session: string | null): string {
    return this.blockpass.authorize(this.person, session);
  }

  /** Uploads when the service asks for it. Sends only fields that are both registered and requested. */
  async follow(action: NextAction): Promise<NextAction> {
    return action.nextAction === 'upload' ? this.upload(action) : action;
  }

  upload({
    accessToken = '',
    requiredFields = [],
    optionalFields = [],
    certs = [],
  }: NextAction): Promise<NextAction> {
    const approved = this.blockpass.service.fields;
    const wanted = [...requiredFields, ...optionalFields].filter((slug) => approved.includes(slug));
    const form = new FormData();
    form.append('accessToken', accessToken);
    for (const slug of wanted) {
      const value = this.person.fields.get(slug);
      if (!value) continue;
      form.append('slugList', slug);
      if (isPicture(slug))
        form.append(slug, new Blob([Buffer.from(value)], { type: 'image/png' }), `${slug}.png`);
      else form.append(slug, Buffer.from(value).toString('utf8'));
    }
    for (const slug of certs) {
      const certificate = this.person.certificates.get(slug);
      if (certificate !== undefined && this.consents.has(slug)) form.append(`[cer]${slug}`, certificate);
    }
    this.changed.clear();
    return this.send('upload', { method: 'POST', body: form });
  }

  private post<Answer>(call: 'status' | 'login' | 'register' | 'resubmit', body: unknown): Promise<Answer> {
    return this.send(call, {
      method: 'POST',
      body: JSON.stringify(body),
      headers: { 'content-type': 'application/json' },
    });
  }

  private async send<Answer>(
    call: 'status' | 'login' | 'register' | 'resubmit' | 'upload',
    request: RequestInit,
  ): Promise<Answer> {
    const response = await fetch(this.blockpass.service.endpoints[call], request);
    const answer = (await response.json()) as Answer;
    this.log.push({ call, answer });
    if (response.status !== 200)
      throw new ServiceError(response.status, answer as { err?: number; msg?: string });
    return answer;
  }
}

const slugs = (items: readonly ItemStatus[]): string[] => items.map(({ slug }) => slug);

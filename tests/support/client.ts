import type { TypedDocumentNode } from '@graphql-typed-document-node/core';
import { type DocumentNode, type GraphQLFormattedError, print } from 'graphql';
import { noteCookies, noteSecret, noteSecrets } from './secret-watch.ts';

export interface Reply<Data> {
  readonly status: number;
  readonly headers: Headers;
  readonly data: Data | null;
  readonly errors: readonly GraphQLFormattedError[];
  /** Code of the first error. */
  readonly code: unknown;
  readonly text: string;
}

export interface RequestOptions {
  readonly bearer?: string | undefined;
  readonly headers?: Readonly<Record<string, string>>;
}

/** A process that answers requests. */
export interface Process {
  readonly url: string;
  /** Resolves when the process knows all earlier changes of other processes. */
  readonly caughtUp?: () => Promise<void>;
}

/** A GraphQL client that can keep cookies like a browser. */
export class Client {
  readonly cookies = new Map<string, string>();
  private readonly processes: readonly [Process, ...Process[]];
  private turn = 0;

  /** @param at the processes between which its requests alternate, or the URL of one */
  constructor(
    at: string | readonly [Process, ...Process[]],
    private readonly options: { readonly keepCookies?: boolean } = {},
  ) {
    this.processes = typeof at === 'string' ? [{ url: at }] : at;
  }

  get url(): string {
    return this.processes[0].url;
  }

  execute<Data, Variables>(
    document: TypedDocumentNode<Data, Variables>,
    variables: Variables,
    options: RequestOptions = {},
  ): Promise<Reply<Data>> {
    return this.post<Data>({ query: print(document as DocumentNode), variables }, options);
  }

  /** For documents that the types do not allow. */
  raw(
    query: string,
    variables: unknown = {},
    options: RequestOptions = {},
  ): Promise<Reply<Record<string, unknown>>> {
    return this.post({ query, variables }, options);
  }

  async post<Data>(body: unknown, { bearer, headers = {} }: RequestOptions = {}): Promise<Reply<Data>> {
    const { url, caughtUp } = this.processes[this.turn++ % this.processes.length] ?? this.processes[0];
    await caughtUp?.();
    noteSecrets(body);
    noteSecret('bearer', bearer);
    noteCookies(headers.cookie ?? '');
    const response = await fetch(`${url}/graphql`, {
      method: 'POST',
      body: JSON.stringify(body),
      headers: {
        'content-type': 'application/json',
        ...(bearer !== undefined && { authorization: `Bearer ${bearer}` }),
        ...(this.cookies.size > 0 && { cookie: this.cookieHeader }),
        ...headers,
      },
    });
    this.keep(response.headers.getSetCookie());
    const text = await response.text();
    const { data = null, errors = [] } = JSON.parse(text) as {
      data?: Data | null;
      errors?: GraphQLFormattedError[];
    };
    noteSecrets(data);
    return {
      status: response.status,
      headers: response.headers,
      data,
      errors,
      code: errors[0]?.extensions?.code,
      text,
    };
  }

  protected get cookieHeader(): string {
    return [...this.cookies].map((pair) => pair.join('=')).join('; ');
  }

  protected keep(setCookies: readonly string[]): void {
    for (const header of setCookies) {
      noteCookies(header);
      if (!this.options.keepCookies) continue;
      const [pair = '', ...attributes] = header.split('; ');
      const [name = '', value = ''] = pair.split('=');
      if (attributes.includes('Max-Age=0')) this.cookies.delete(name);
      else this.cookies.set(name, value);
    }
  }
}

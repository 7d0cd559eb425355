import { readdir, readFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { parse } from '@swc/core';
import { MODULES } from '../src/modules.ts';

/**
 * The folders that each folder may import: the full table behind the arrows of docs/architecture.md. A file at
 * the top of src counts as a folder.
 */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  'main.ts': ['cli'],
  'emit-schema.ts': ['graphql', 'modules.ts'],
  'emit-settings.ts': ['config'],
  cli: ['composition', 'config', 'foundation.ts', 'platform'],
  composition: [
    'administration',
    'authenticators',
    'config',
    'foundation.ts',
    'graphql',
    'http',
    'modules.ts',
    'platform',
    'roles',
    'sessions',
  ],
  'foundation.ts': ['config', 'platform'],
  config: ['modules.ts', 'platform'],
  http: ['graphql', 'platform'],
  graphql: ['platform'],
  google: [
    'accounts',
    'authentication',
    'identities',
    'notices',
    'pages',
    'recovery',
    'sessions',
    'platform',
  ],
  authentication: [
    'accounts',
    'authenticators',
    'devices',
    'guesses',
    'identities',
    'notices',
    'passwords',
    'sessions',
    'platform',
  ],
  authenticators: ['accounts', 'guesses', 'notices', 'passwords', 'sessions', 'platform'],
  administration: [
    'accounts',
    'authenticators',
    'guesses',
    'passwords',
    'recovery',
    'roles',
    'sessions',
    'platform',
  ],
  audit: ['accounts', 'platform'],
  blockpass: ['accounts', 'authentication', 'identities', 'notices', 'sessions', 'platform'],
  roles: ['accounts', 'one-time-tokens', 'sessions', 'platform'],
  recovery: [
    'accounts',
    'authenticators',
    'devices',
    'identities',
    'mail-templates',
    'notices',
    'one-time-tokens',
    'passwords',
    'sessions',
    'platform',
  ],
  accounts: ['guesses', 'mail-templates', 'notices', 'one-time-tokens', 'passwords', 'sessions', 'platform'],
  passwords: ['devices', 'guesses', 'identities', 'notices', 'one-time-tokens', 'sessions', 'platform'],
  sessions: ['notices', 'platform'],
  devices: ['notices', 'platform'],
  notices: ['mail-templates', 'one-time-tokens', 'platform'],
  'mail-templates': ['platform'],
  pages: ['mail-templates', 'platform'],
  identities: ['platform'],
  guesses: ['platform'],
  'one-time-tokens': ['platform'],
  platform: [],
};

const isEntity = (file: string) => file.endsWith('.entity.ts');
const roomOf = (file: string) => relative('src', file).split('/')[0] ?? '';

async function importsOf(file: string): Promise<string[]> {
  const text = await readFile(file, 'utf8');
  const specifiers = [...text.matchAll(/(?:from|import)\s*\(?'(\.[^']+)'/g)].map((match) => match[1] ?? '');
  return specifiers.map((specifier) => join(dirname(file), specifier));
}

/** Migrations stand beside src. They know the database, but not the code. */
const isMigration = (file: string) => file.startsWith('migrations/');

const files = (await readdir('src', { recursive: true }))
  .filter((name) => name.endsWith('.ts'))
  .map((name) => join('src', name));

/** A module that has no row in the table may import every module before it; `modules.ts` lists them all. */
const mayImport = (room: string): readonly string[] => {
  const names = MODULES.map(({ name }) => name);
  if (room === 'modules.ts') return names;
  return MAY_IMPORT[room] ?? (names.includes(room) ? names.slice(0, names.indexOf(room)) : []);
};

describe('imports', () => {
  it('point in one direction, with entities as a layer beneath', async () => {
    const wrong: string[] = [];
    for (const file of files) {
      for (const target of await importsOf(file)) {
        const allowed =
          roomOf(file) === roomOf(target) ||
          isEntity(target) ||
          (roomOf(file) === 'modules.ts' && isMigration(target)) ||
          (isEntity(file) ? roomOf(target) === 'platform' : mayImport(roomOf(file)).includes(roomOf(target)));
        if (!allowed) wrong.push(`${file} -> ${target}`);
      }
    }
    expect(wrong).toEqual([]);
  });

  it('from another capability use only its index.ts or its entities', async () => {
    const wrong: string[] = [];
    for (const file of files) {
      for (const target of await importsOf(file)) {
        const crosses =
          !isMigration(target) && roomOf(file) !== roomOf(target) && !roomOf(target).endsWith('.ts');
        const offered = target.endsWith('/index.ts') || isEntity(target) || roomOf(target) === 'platform';
        const entry =
          (roomOf(file) === 'main.ts' && roomOf(target) === 'cli') ||
          (roomOf(file) === 'modules.ts' && target.endsWith('/module.ts'));
        if (crosses && !offered && !entry) wrong.push(`${file} -> ${target}`);
      }
    }
    expect(wrong).toEqual([]);
  });

  it('are known for every folder', () => {
    const known = new Set(['modules.ts', ...Object.keys(MAY_IMPORT), ...MODULES.map(({ name }) => name)]);
    expect(files.map(roomOf).filter((room) => !known.has(room))).toEqual([]);
    expect(Object.keys(MAY_IMPORT).filter((room) => !files.some((file) => roomOf(file) === room))).toEqual(
      [],
    );
  });
});

describe('revocations and epochs', () => {
  /** All other code calls `revocations.ts`, which takes only a transaction that tells the other processes. */
  const WRITERS = ['src/sessions/lost-revocations.ts', 'src/sessions/revocations.ts'];

  it('are written in one place', async () => {
    const writers: string[] = [];
    for (const file of files) {
      const text = await readFile(file, 'utf8');
      if (/insert into ending\b|set epoch =|\.(?:insert|create|nativeUpdate)\(Revocation\b/.test(text))
        writers.push(file);
    }
    expect(writers.sort()).toEqual(WRITERS);
  });
});

describe('a database that is away', () => {
  it('is recognised in platform/unavailable.ts; other files only choose the text of a log line', async () => {
    const readers: string[] = [];
    for (const file of files) {
      if (roomOf(file) === 'platform') continue;
      if (/isDatabaseAway|ConnectionException|ECONNREFUSED/.test(await readFile(file, 'utf8')))
        readers.push(file);
    }
    expect(readers).toEqual(['src/sessions/revocation-cache.ts']);
  });
});

describe('fragments of GraphQL documents', () => {
  it('are followed by one walker', async () => {
    const walkers: string[] = [];
    for (const file of files) {
      const text = await readFile(file, 'utf8');
      if (/INLINE_FRAGMENT|FRAGMENT_DEFINITION/.test(text)) walkers.push(file);
    }
    expect(walkers).toEqual(['src/graphql/fragments.ts']);
  });
});

describe('parameters', () => {
  /**
   * Readers cannot tell five arguments apart by position, and two arguments of one type can be swapped
   * unnoticed.
   */
  const MOST = 4;

  it('are at most four by position', async () => {
    const long: string[] = [];
    for (const file of files) {
      const program = await parse(await readFile(file, 'utf8'), { syntax: 'typescript', decorators: true });
      eachNode(program.body, (node) => {
        // Counts the parameters of functions, methods and constructors. Decorated parameters do not count, since
        // type-graphql fills them by name.
        const params = Array.isArray(node.params) ? (node.params as Array<{ decorators?: unknown[] }>) : [];
        if (params.some(({ decorators = [] }) => decorators.length > 0)) return;
        if (params.length > MOST) long.push(`${file}: ${params.length}`);
      });
    }
    expect(long).toEqual([]);
  });

  function eachNode(node: unknown, visit: (node: Record<string, unknown>) => void): void {
    if (typeof node !== 'object' || node === null) return;
    if (!Array.isArray(node)) visit(node as Record<string, unknown>);
    for (const child of Object.values(node)) eachNode(child, visit);
  }
});

describe('bearer secrets', () => {
  it('are made, hashed, compared and consumed in platform/one-time-secret.ts', async () => {
    const makers: string[] = [];
    for (const file of files) {
      const text = await readFile(file, 'utf8');
      const makes = /randomBytes\([^)]*\)\.toString\('base64url'\)/.test(text);
      const hashes = /const \w+ = .*=> createHash\('sha256'\)\.update\(\w+\)\.digest\(\);/.test(text);
      const consumes = /delete from \w+[^`]*hash = [^`]*expires_at > now\(\)/.test(text);
      if (makes || hashes || consumes) makers.push(file);
    }
    // The other file makes passwords of the embedded PostgreSQL, which are stored as they are.
    expect(makers.sort()).toEqual(['src/platform/generated-secrets.ts', 'src/platform/one-time-secret.ts']);
  });
});

describe('the networks of a client', () => {
  /** Code without a request: for connections, sessions and the audit trail. */
  const ELSEWHERE = [
    'src/accounts/repeated-registrations.ts',
    'src/http/connection-places.ts',
    'src/sessions/refresh-contract.ts',
  ];

  it('are computed in the context of the request', async () => {
    const readers: string[] = [];
    for (const file of files) {
      if (file.startsWith('src/platform/request/')) continue;
      const text = await readFile(file, 'utf8');
      if (/import[^;]*\bnetworks?Of\b[^;]*;/.test(text)) readers.push(file);
    }
    expect(readers.sort()).toEqual([...ELSEWHERE, 'src/http/request-context.ts'].sort());
  });
});

describe('a package that only some installations use', () => {
  /** With the module that may import it, which is itself loaded by `import()` or in a worker. */
  const ON_DEMAND: Readonly<Record<string, string | undefined>> = {
    'google-auth-library': undefined,
    jsonld: undefined,
    nodemailer: undefined,
    qrcode: undefined,
    redis: 'src/platform/redis/redis-link.ts',
    sharp: 'src/blockpass/app/picture-worker.ts',
    tldts: undefined,
  };

  /** Together they are a third of the modules of a start. */
  it('is loaded when it is needed, not by every command', async () => {
    const early: string[] = [];
    for (const file of files) {
      const text = await readFile(file, 'utf8');
      for (const [, name = ''] of text.matchAll(/^(?:import|export) (?!type )[^;]*?'([^'.]+)';/gm))
        if (name in ON_DEMAND && ON_DEMAND[name] !== file) early.push(`${file}: ${name}`);
      if (/^import (?!type )[^;]*redis-link\.ts';/m.test(text)) early.push(`${file}: redis`);
    }
    expect(early).toEqual([]);
  });
});

describe('a name that modules declare', () => {
  it.each(['rateLimits', 'notices', 'tables'] as const)('belongs to one of them: %s', (kind) => {
    const names = MODULES.flatMap((module) => Object.keys(module[kind] ?? {}));
    expect(names.filter((name, index) => names.indexOf(name) !== index)).toEqual([]);
    expect(names.length).toBeGreaterThan(0);
  });
});

describe('identity providers', () => {
  /** In texts of the schema, which does not change: `AccountLinkRequired`, `UserType`, `SessionType` and CONFLICT. */
  const TEXTS_OF_THE_SCHEMA = [
    'src/accounts/account.resolver.ts',
    'src/accounts/account.types.ts',
    'src/authentication/authentication.types.ts',
    'src/platform/errors.ts',
    'src/sessions/session.types.ts',
  ];
  /** A mailbox provider that ignores dots. */
  const MAILBOXES = ['src/platform/mail/mailbox-key.ts'];
  const WITHOUT_NAMES = [
    'accounts',
    'authentication',
    'authenticators',
    'identities',
    'passwords',
    'platform',
    'recovery',
    'sessions',
  ];

  it('are named in their own folders only', async () => {
    const naming: string[] = [];
    for (const file of files) {
      if (!WITHOUT_NAMES.includes(roomOf(file))) continue;
      if (/google|blockpass/i.test(await readFile(file, 'utf8'))) naming.push(file);
    }
    expect(naming.sort()).toEqual([...TEXTS_OF_THE_SCHEMA, ...MAILBOXES].sort());
  });
});

describe('main.ts', () => {
  it('loads no module before it has checked the version of Node', async () => {
    const text = await readFile('src/main.ts', 'utf8');
    expect(text).not.toMatch(/^\s*(?:import|export)\b(?!\()/m);
    expect(text.indexOf('process.versions.node')).toBeLessThan(text.indexOf('await import('));
  });
});

describe('the environment of the process', () => {
  it('is read by main.ts alone', async () => {
    const readers: string[] = [];
    for (const file of files) if (/process\.env/.test(await readFile(file, 'utf8'))) readers.push(file);
    expect(readers).toEqual(['src/main.ts']);
  });
});

describe('a setting', () => {
  it('is declared once, in the settings of its folder', async () => {
    const declared: string[] = [];
    for (const file of files) {
      const names = [...(await readFile(file, 'utf8')).matchAll(/\b(?:setting|key)\(\s*'([A-Z\d_]+)'/g)];
      if (names.length > 0) expect(file).toMatch(/(?:\/|-)settings\.ts$/);
      declared.push(...names.map(([, name = '']) => name));
    }
    const ofModules = MODULES.flatMap(({ settings = [] }) => settings).flatMap(({ settings }) => settings);
    expect(declared.sort()).toEqual(ofModules.map(({ name }) => name).sort());
    expect(new Set(declared).size).toBe(declared.length);
  });
});

describe('modules', () => {
  /** Values that are read once and never changed. */
  const CONSTANTS = new Set([
    'src/passwords/common-passwords.ts: let lists: Lists | undefined;',
    // Chosen once, before anything is served. A process has one, as OpenTelemetry's own API has.
    'src/platform/telemetry/error-reports.ts: let active: ErrorReports = { report() {}, close: async () => {} };',
    'src/platform/telemetry/tracing.ts: let active: Tracing = OFF;',
  ]);

  it('keep no state, so that two gateways in one test process share nothing that two processes would not', async () => {
    const kept: string[] = [];
    for (const file of files) {
      const text = await readFile(file, 'utf8');
      // A WeakMap or WeakSet holds data about objects of others, and each gateway has its own objects.
      for (const [line] of text.matchAll(
        /^(?:export )?(?:(?:let|var) .*|const .*= (?:new (?:Map|Set)(?:<.*>)?\(\)|\[\]|\{\});)$/gm,
      ))
        kept.push(`${file}: ${line}`);
    }
    expect(kept.filter((line) => !CONSTANTS.has(line))).toEqual([]);
    expect(kept).toHaveLength(CONSTANTS.size);
  });
});

describe('a table', () => {
  /**
   * Tables that SQL of other modules still reads. The list may only get shorter: the owner should contribute
   * that piece of the statement. Every capability may read `users`.
   */
  const READ_BY_OTHERS = [
    'src/accounts/email-ownership.ts: role_grant',
    'src/accounts/pending-registrations.ts: one_time_token',
    'src/accounts/repeated-registrations.ts: audit_event',
    'src/administration/user-directory.ts: role',
    'src/administration/user-directory.ts: role_grant',
    'src/administration/user-export.ts: password_credential',
    'src/administration/user-export.ts: role',
    'src/administration/user-export.ts: role_grant',
    'src/administration/user-import.ts: role',
    'src/audit/audit-trail.ts: audit_event',
    'src/authentication/credential-lookup.ts: password_credential',
    'src/authentication/sign-in-challenges.ts: password_credential',
    'src/passwords/password-change.ts: audit_event',
    'src/passwords/passwords.ts: pending_registration',
    'src/recovery/account-claim.ts: role_grant',
    'src/sessions/subject.ts: kyc_record',
    'src/sessions/subject.ts: role',
    'src/sessions/subject.ts: role_grant',
  ];

  it('belongs to one module, and no other module names it in SQL', async () => {
    const ownerOf = new Map(
      MODULES.flatMap(({ name, tables = {} }) => Object.keys(tables).map((table) => [table, name] as const)),
    );
    expect(ownerOf.size).toBe(MODULES.flatMap(({ tables = {} }) => Object.keys(tables)).length);
    const found = new Set<string>();
    for (const file of files) {
      const text = await readFile(file, 'utf8');
      for (const [, table = ''] of text.matchAll(/\b(?:from|join|into|update)\s+"?(\w+)"?/g)) {
        const owner = ownerOf.get(table);
        if (owner !== undefined && owner !== roomOf(file) && table !== 'users')
          found.add(`${file}: ${table}`);
      }
    }
    expect([...found].sort()).toEqual(READ_BY_OTHERS);
  });
});

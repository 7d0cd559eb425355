import { mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { environmentWithFiles, unreadEnvFile } from '../src/cli/environment.ts';
import { loadConfig } from '../src/config/index.ts';
import { type Environment, InvalidSettings } from '../src/platform/settings.ts';
import { key, newSecrets } from './support/gateway.ts';

const problemsOf = (environment: Environment): readonly string[] => {
  try {
    loadConfig(environment);
    return [];
  } catch (error) {
    if (error instanceof InvalidSettings) return error.problems;
    throw error;
  }
};
const production = (): Environment => ({
  NODE_ENV: 'production',
  DATABASE_URL: 'postgresql://gatehouse_app@db.example/gatehouse',
  PUBLIC_URL: 'https://auth.example.test',
  ...newSecrets(),
});

const WALLET_KEY = 'KwdMAjGmerYanjeui5SHS7JkmpZvVipYvB2LJGU1ZxJwYvP98617';

describe('the settings', () => {
  it('are all optional in development', () => {
    const config = loadConfig({});
    expect(config.http).toMatchObject({
      host: '127.0.0.1',
      port: 4000,
      publicUrl: 'http://localhost:4000',
      clientOrigins: ['http://localhost:4000'],
    });
    expect(config.accessToken).toMatchObject({
      issuer: 'http://localhost:4000',
      audience: 'gatehouse',
      ttlSeconds: 3600,
    });
    expect(config.session).toMatchObject({
      ttlSeconds: 5_184_000,
      refreshGraceSeconds: 30,
      revocationMaxStalenessSeconds: 2,
    });
  });

  it('cannot be changed after they were read', () => {
    expect(() => Object.assign(loadConfig({}).http, { port: 1 })).toThrow(TypeError);
  });

  it.each([
    ['secret@db1:5432,,db2:5432/gatehouse', 'must name each server as host or host:port'],
    ['secret@db1:5432,db2:70000/gatehouse', 'must name each server as host or host:port'],
    ['secret@db1:5432, db2:5432/gatehouse', 'must name each server as host or host:port'],
    ['secret@db1:5432,db2:x/gatehouse', 'must name each server as host or host:port'],
    ['secret@[::1,db2/gatehouse', 'must name each server as host or host:port'],
    ['se/cret@db1:5432,db2:5432/gatehouse', 'must be a URL that begins with postgres:// or postgresql://'],
    [
      `secret@${Array.from({ length: 11 }, (_, index) => `db${index}`)}/gatehouse`,
      'must name at most 10 servers',
    ],
    ['secret@db1,db2/gatehouse?target_session_attrs=standby', 'must ask for a primary'],
    ['secret@db1/gatehouse?target_session_attrs=read-only', 'must ask for a primary'],
    ['secret@db1,db2/gatehouse?host=db3', 'must name several servers before the path'],
    ['secret@db1/gatehouse?host=db2,db3', 'must name several servers before the path'],
  ])('refuse postgresql://app:%s without repeating the password', (rest, sentence) => {
    for (const name of ['DATABASE_URL', 'DATABASE_MIGRATION_URL']) {
      const environment = { ...production(), [name]: `postgresql://app:${rest}` };
      const [problem, ...others] = problemsOf(environment);
      expect(problem).toMatch(`${name} ${sentence}`);
      expect(problem).not.toMatch(/secret|se\/cret/);
      expect(others).toEqual([]);
    }
  });

  it('report all errors together, with names and without values', () => {
    const problems = problemsOf({
      PORT: 'marked-value',
      JWT_ALG: 'none',
      TOKEN_KEY: 'marked-value',
      PUBLIC_URL: 'marked-value',
      TRUSTED_PROXIES: '10.0.0.0/99',
    });
    expect(problems.map((problem) => problem.split(' ')[0]).sort()).toEqual([
      'JWT_ALG',
      'PORT',
      'PUBLIC_URL',
      'TOKEN_KEY',
      'TRUSTED_PROXIES',
    ]);
    expect(problems.join()).not.toContain('marked-value');
  });

  it('report an unknown rate limit together with all other errors, and suggest a similar name', () => {
    const problems = problemsOf({ PORT: 'x', RATE_LIMIT_RULES: 'login.pi=5/60,login.account=5/60' });
    expect(problems).toEqual([
      expect.stringMatching(/^PORT /),
      'RATE_LIMIT_RULES names a rule that does not exist: did you mean login.ip?',
    ]);
  });

  it('treat an empty text as unset', () => {
    expect(loadConfig({ PORT: '', TOKEN_KEY: '', CLIENT_ORIGIN: '' }).http.port).toBe(4000);
  });

  it.each([
    ['HOST', 'PORT', '65536'],
    ['a key of 16 bytes', 'TOKEN_KEY', Buffer.alloc(16, 7).toString('base64')],
    ['a placeholder key', 'ENCRYPTION_KEY', Buffer.alloc(32).toString('base64')],
    ['a list with one bad key', 'PASSWORD_PEPPER', `${key()},nonsense`],
    ['an origin with a path', 'CLIENT_ORIGIN', 'https://app.example.test/path'],
    ['a foreign scheme', 'PUBLIC_URL', 'ftp://example.test'],
    ['a rule without a rate', 'RATE_LIMIT_RULES', 'login.ip=5'],
    ['a network size that is not counted', 'RATE_LIMIT_RULES', 'login.ip/60=5/60'],
    ['a network size for an account', 'RATE_LIMIT_RULES', 'login.account/48=5/60'],
    ['a rule that does not exist', 'RATE_LIMIT_RULES', 'no.such.rule=5/60'],
    ['a network size for a rule that does not exist', 'RATE_LIMIT_RULES', 'no.such.ip/48=5/60'],
    ['every IP as a trusted proxy', 'TRUSTED_PROXIES', '0.0.0.0/0'],
    ['a lifetime of zero', 'ACCESS_TOKEN_TTL_SECONDS', '0'],
    ['the pages of a frontend without its origin', 'LINK_PAGES', 'client'],
    ['all users together with a role', 'SECOND_FACTOR_REQUIRED_FOR', 'all,superuser'],
    ['the audience of tokens that can only enrol', 'JWT_AUDIENCE', 'http://localhost:4000/enrol'],
    ['a cookie domain that is not a parent of the host', 'COOKIE_DOMAIN', 'example.test'],
    ['a mail server whose traffic is logged', 'SMTP_URL', 'smtp://mail.example.test?logger=true&debug=true'],
  ])('refuse %s', (_, name, value) => {
    const problems = problemsOf({ [name]: value });
    expect(problems).toHaveLength(1);
    expect(problems[0]).toContain(name);
  });

  it.each(['SMTP_URL', 'SESSION_IDLE_TTL_SECONDS'])('refuse %s with a value outside its choices', (name) => {
    expect(problemsOf({ [name]: 'redis://localhost' })).toEqual([expect.stringContaining(name)]);
  });

  it('accept a Redis URL, from a file too, and refuse other URLs', async () => {
    expect(loadConfig({}).redis.url).toBeUndefined();
    expect(loadConfig({ REDIS_URL: 'rediss://:secret@redis.example/1' }).redis.url).toContain('/1');
    const file = join(await mkdtemp(join(tmpdir(), 'gatehouse-secret-')), 'redis_url');
    await writeFile(file, 'redis://localhost\n');
    expect(loadConfig({ REDIS_URL_FILE: file }).redis.url).toBe('redis://localhost');
    const [problem, ...more] = problemsOf({ REDIS_URL: 'redis+sentinel://:marked@a:1,b:2' });
    expect(more).toEqual([]);
    expect(problem).toContain('REDIS_URL');
    expect(problem).not.toContain('marked');
  });

  it('keep sessions in PostgreSQL, or in Redis when it is set', () => {
    expect(loadConfig({}).session.store).toBe('postgres');
    expect(problemsOf({ SESSION_STORE: 'redis' })).toEqual([expect.stringContaining('REDIS_URL')]);
    const { session } = loadConfig({ SESSION_STORE: 'redis', REDIS_URL: 'redis://localhost' });
    expect(session.store).toBe('redis');
    expect(problemsOf({ SESSION_STORE: 'memory' })).toEqual([expect.stringContaining('SESSION_STORE')]);
  });
});

describe('the budgets of connections', () => {
  it('are parts of MAX_CONNECTIONS, with room for an office of 300 people behind one IP', () => {
    const { connections, sockets } = loadConfig({}).http;
    expect(connections.perClient).toBeGreaterThan(300 * (6 + 3));
    expect(sockets.perClient).toBeGreaterThan(300 * 3);
    expect(loadConfig({ MAX_CONNECTIONS: '800' }).http).toMatchObject({
      connections: { total: 800, perClient: 400, perNetwork: 600 },
      sockets: { total: 200, perClient: 100, perNetwork: 150, anonymous: 160, perAccount: 20 },
    });
  });

  it.each([
    ['MAX_WEBSOCKETS', { MAX_CONNECTIONS: '100', MAX_WEBSOCKETS: '51' }],
    ['MAX_ANONYMOUS_WEBSOCKETS', { MAX_WEBSOCKETS: '100', MAX_ANONYMOUS_WEBSOCKETS: '101' }],
    ['MAX_CONNECTIONS_PER_CLIENT', { MAX_CONNECTIONS_PER_CLIENT: '20', MAX_CONNECTIONS_PER_NETWORK: '10' }],
    ['REQUEST_MAX_AGE_SECONDS', { REQUEST_MAX_AGE_SECONDS: '1.5' }],
  ])('are refused when they contradict each other or the age of a request: %s', (name, settings) => {
    expect(problemsOf(settings)).toEqual([expect.stringContaining(name)]);
  });

  it('may give one client the whole budget, which turns the limit of a client off', () => {
    const { connections } = loadConfig({
      MAX_CONNECTIONS: '100',
      MAX_CONNECTIONS_PER_CLIENT: '100',
    }).http;
    expect(connections).toMatchObject({ perClient: 100, perNetwork: 100 });
  });
});

describe('Google sign-in', () => {
  const google = { GOOGLE_CLIENT_ID: 'web.example, phone.example', GOOGLE_CLIENT_SECRET: 'secret' };

  it('is off unless all its settings are set, and refused when only some are', () => {
    expect(loadConfig({}).google).toBeUndefined();
    expect(loadConfig(google).google).toEqual({
      clientIds: ['web.example', 'phone.example'],
      clientSecret: 'secret',
      issuerUrl: undefined,
    });
    expect(problemsOf({ GOOGLE_CLIENT_ID: 'web.example' })).toEqual([
      expect.stringContaining('GOOGLE_CLIENT_SECRET'),
    ]);
    expect(problemsOf({ GOOGLE_CLIENT_SECRET: 'secret' })).toEqual([
      expect.stringContaining('GOOGLE_CLIENT_ID'),
    ]);
  });

  it('accepts an issuer on plain http only outside production', () => {
    const standIn = { ...google, GOOGLE_ISSUER_URL: 'http://127.0.0.1:9000' };
    expect(problemsOf(standIn)).toEqual([]);
    expect(problemsOf({ ...production(), ...standIn })).toEqual([
      expect.stringContaining('GOOGLE_ISSUER_URL'),
    ]);
  });
});

describe('production', () => {
  it('starts with its required settings', () => {
    expect(problemsOf(production())).toEqual([]);
  });

  it('refuses embedded parts, generated secrets and a guessed public URL', () => {
    const problems = problemsOf({ NODE_ENV: 'production' });
    for (const name of ['DATABASE_URL', 'TOKEN_KEY', 'ENCRYPTION_KEY', 'PASSWORD_PEPPER', 'PUBLIC_URL']) {
      expect(problems).toContainEqual(expect.stringContaining(`${name} must be set`));
    }
  });

  it('refuses to run without rate limits or with cheap hashes', () => {
    expect(problemsOf({ ...production(), RATE_LIMIT: 'off', PASSWORD_BCRYPT_COST: '8' })).toHaveLength(2);
  });

  it('has introspection only when a setting asks for it', () => {
    expect(loadConfig(production()).graphql.introspection).toBe(false);
    expect(loadConfig({ ...production(), GRAPHQL_INTROSPECTION: 'true' }).graphql.introspection).toBe(true);
  });
});

describe('a name that is not a setting', () => {
  const MISSPELT = [
    ['EMAIL_CONFIRMATON', 'EMAIL_CONFIRMATION'],
    ['CLIENT_ORIGINS', 'CLIENT_ORIGIN'],
    ['SMPT_URL', 'SMTP_URL'],
    ['ACESS_TOKEN_TTL_SECONDS', 'ACCESS_TOKEN_TTL_SECONDS'],
    ['TOKEN_KEY_FLIE', 'TOKEN_KEY_FILE'],
    ['client_origin', 'CLIENT_ORIGIN'],
  ] as const;

  it.each(MISSPELT)('%s stops a start in production, and is a warning otherwise', (name, meant) => {
    const text = `${name} is not a setting: did you mean ${meant}?`;
    expect(problemsOf({ ...production(), [name]: 'x' })).toEqual([text]);
    expect(loadConfig({ [name]: 'x' }).warnings).toEqual([text]);
  });

  it('stops a start in production when it names a setting as a secret in a file', () => {
    const text =
      'CLIENT_ORIGIN_FILE is not a setting: only secrets are read from files. Set CLIENT_ORIGIN itself.';
    expect(problemsOf({ ...production(), CLIENT_ORIGIN_FILE: '/run/secrets/origin' })).toEqual([text]);
    expect(loadConfig({ CLIENT_ORIGIN_FILE: '/run/secrets/origin' }).warnings).toEqual([text]);
  });

  it('is only a warning in production when it is shorter than eight characters', () => {
    expect(loadConfig({ ...production(), PROT: '4208' }).warnings).toEqual([
      'PROT is not a setting: did you mean PORT?',
    ]);
  });

  it('stops a start outside production when NODE_ENV seems to mean production', () => {
    expect(problemsOf({ NODE_EVN: 'production' })).toEqual([
      'NODE_EVN is not a setting: did you mean NODE_ENV?',
    ]);
    expect(loadConfig({ NODE_EVN: 'test' }).warnings).toHaveLength(1);
  });

  it.each([
    ['PASSWORD_ARGON2_PARALLELISM', 'PASSWORD_'],
    ['BLOCKPASS_WEBHOOK_URL', 'BLOCKPASS_'],
  ])('%s is a warning, because settings begin in the same way', (name, prefix) => {
    const text = `${name} is not a setting, although settings begin with ${prefix}: see docs/configuration.md.`;
    expect(loadConfig({ [name]: 'x' }).warnings).toEqual([text]);
    expect(loadConfig({ ...production(), [name]: 'x' }).warnings).toEqual([text]);
  });

  it.each([
    [
      'is set by shells and platforms',
      ['HOME', 'HOSTNAME', 'PATH', 'npm_config_port', 'NODE_PATH', 'PGPORT', 'GOOGLE_CLOUD_PROJECT'],
    ],
    ['is read by a package that the gateway uses', ['OTEL_EXPORTER_OTLP_HEADERS', 'SENTRY_RELEASE']],
    ['resembles no setting', ['GATEHOUSE_APP_PASSWORD', 'SMTP_PASSWORD', 'OS', 'TEST', 'ROOT']],
  ])('is ignored when it %s', (_, names) => {
    const environment = Object.fromEntries(names.map((name) => [name, 'x']));
    expect(problemsOf({ ...production(), ...environment })).toEqual([]);
    expect(loadConfig(environment).warnings).toEqual([]);
  });

  it('is ignored when it is empty', () => {
    expect(problemsOf({ ...production(), CLIENT_ORIGINS: '' })).toEqual([]);
  });

  it('is listed in docs/configuration.md when shells and platforms set it', async () => {
    const code = await readFile('src/config/misspelt-names.ts', 'utf8');
    const [, list = ''] = /const OF_OTHERS = \[(.*?)\n\];/s.exec(code) ?? [];
    const names = [...list.matchAll(/'([^']+)'/g)].map(([, name]) => name);
    const docs = await readFile('docs/configuration.md', 'utf8');
    expect(names.length).toBeGreaterThan(30);
    expect(names.filter((name) => !docs.includes(`\`${name}\``))).toEqual([]);
  });
});

describe('PUBLIC_URL', () => {
  it('follows PORT, and every setting that follows PUBLIC_URL does too', () => {
    const { http, accessToken, warnings } = loadConfig({ PORT: '4208' });
    const url = 'http://localhost:4208';
    expect([http.publicUrl, http.localUrl, ...http.clientOrigins, accessToken.issuer]).toEqual(
      Array(4).fill(url),
    );
    expect(warnings).toEqual([]);
  });

  it.each(['http://localhost:4000', 'http://127.0.0.1:4000', 'http://localhost'])(
    '%s with another PORT causes a warning that says what to set',
    (publicUrl) => {
      const { warnings } = loadConfig({ PORT: '4208', PUBLIC_URL: publicUrl });
      expect(warnings).toEqual([
        expect.stringContaining(`set PUBLIC_URL=${publicUrl.replace(/:4000$/, '')}:4208`),
      ]);
    },
  );

  it.each([
    ['of a proxy on another host', { PUBLIC_URL: 'https://auth.example.test' }],
    ['of a proxy that ends TLS on this machine', { PUBLIC_URL: 'https://localhost:8443' }],
    ['that agrees with PORT', { PORT: '4208', PUBLIC_URL: 'http://localhost:4208' }],
  ])('%s causes no warning', (_, settings) => {
    expect(loadConfig(settings).warnings).toEqual([]);
  });
});

describe('a secret', () => {
  it('can be read from a file', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'gatehouse-secret-'));
    const file = join(folder, 'token_key');
    await writeFile(file, `${key()}\n`);
    expect(loadConfig({ TOKEN_KEY_FILE: file }).secrets.tokenKeys).toHaveLength(1);
    expect(problemsOf({ TOKEN_KEY_FILE: join(folder, 'absent') })).toEqual([
      expect.stringContaining('TOKEN_KEY_FILE'),
    ]);
    expect(problemsOf({ TOKEN_KEY_FILE: file, TOKEN_KEY: key() })).toEqual([
      expect.stringContaining('both set'),
    ]);
  });
});

describe('files of settings', () => {
  it('have lower priority than the environment, and .env is read only in development', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'gatehouse-env-'));
    await writeFile(join(folder, '.env'), 'PORT=5000\nHOST=0.0.0.0\n');
    await writeFile(join(folder, 'other.env'), 'PORT=6000\n');
    expect(environmentWithFiles({ PORT: '7000' }, folder, undefined)).toMatchObject({
      PORT: '7000',
      HOST: '0.0.0.0',
    });
    expect(environmentWithFiles({ NODE_ENV: 'production' }, folder, undefined)).toEqual({
      NODE_ENV: 'production',
    });
    expect(environmentWithFiles({}, folder, 'other.env')).toEqual({ PORT: '6000' });
    expect(() => environmentWithFiles({}, folder, 'absent.env')).toThrow(InvalidSettings);
  });
});

describe('a .env that production does not read', () => {
  const folderWith = async (file: string, content: string) => {
    const folder = await mkdtemp(join(tmpdir(), 'gatehouse-env-'));
    await writeFile(join(folder, file), content);
    return folder;
  };
  const production = { NODE_ENV: 'production' };

  it('causes a warning', async () => {
    const folder = await folderWith('.env', 'SMTP_URL=smtp://mail\n');
    expect(unreadEnvFile(production, folder, undefined)).toEqual([
      expect.stringContaining('--env-file .env'),
    ]);
  });

  it.each([
    ['another file is named', '.env', production, 'other.env'],
    ['it is read', '.env', {}, undefined],
    ['the environment has all of it', '.env', { ...production, SMTP_URL: 'smtp://other' }, undefined],
    ['there is none', 'other.env', production, undefined],
  ] as const)('causes no warning when %s', async (_, file, environment, envFile) => {
    const folder = await folderWith(file, 'SMTP_URL=smtp://mail\n');
    expect(unreadEnvFile(environment, folder, envFile)).toEqual([]);
  });
});

const namesIn = async (file: string, pattern: RegExp): Promise<string[]> =>
  [...(await readFile(file, 'utf8')).matchAll(pattern)].map(([, name]) => name ?? '');
const inExample = () => namesIn('.env.example', /^# ([A-Z_]+)=/gm);

/** The names that a start looks up with these settings. */
function namesRead(settings: Environment): string[] {
  const names = new Set<string>();
  const environment = new Proxy(settings, {
    get(target, name: string) {
      names.add(name);
      return target[name];
    },
  });
  try {
    loadConfig(environment);
  } catch (error) {
    if (!(error instanceof InvalidSettings)) throw error;
  }
  return [...names];
}

describe('.env.example', () => {
  it('has every setting that is read', async () => {
    const everythingOn = { GOOGLE_CLIENT_ID: 'x', GOOGLE_CLIENT_SECRET: 'x', BLOCKPASS_CLIENT_ID: 'x' };
    const read = [{}, everythingOn, { ...production(), ...everythingOn }].flatMap(namesRead);
    const inFiles = new Set(read.map((name) => `${name}_FILE`));
    // The variant that names a file: documented once, for all settings.
    expect([...new Set(read)].filter((name) => !inFiles.has(name)).sort()).toEqual(
      (await inExample()).sort(),
    );
  });
});

describe('docker-compose.yml', () => {
  /**
   * Settings that the file itself sets, since it brings PostgreSQL and Redis, or that the image sets. PORT is
   * the one on the host.
   */
  const DECIDED = [
    ...['NODE_ENV', 'HOST', 'PORT', 'DATA_DIR'],
    ...['DATABASE_URL', 'DATABASE_MIGRATION_URL', 'MIGRATE_ON_START', 'REDIS_URL'],
  ];

  it('passes on every setting that it does not set itself', async () => {
    const passed = await namesIn('docker-compose.yml', /^ {2}([A-Z_]+): \$\{\1:/gm);
    expect([...passed, ...DECIDED].sort()).toEqual((await inExample()).sort());
  });
});

describe('Blockpass', () => {
  it('is the sandbox in development', () => {
    expect(loadConfig({}).blockpass).toMatchObject({
      enabled: true,
      baseUrl: 'https://sandbox-api.blockpass.org',
      clientId: 'developer_service',
      path: '/blockpass/api',
      requiredFields: ['email', 'selfie'],
      optionalFields: [],
      certificates: ['onfido-service-cert'],
      issuing: undefined,
    });
  });

  it('is off in production until its client id and the related settings are set', () => {
    expect(loadConfig(production()).blockpass.enabled).toBe(false);
    const client = { BLOCKPASS_CLIENT_ID: 'shop', BLOCKPASS_SIGNING_KEY: WALLET_KEY };
    expect(problemsOf({ ...production(), ...client })).toEqual(
      ['BLOCKPASS_BASE_URL', 'BLOCKPASS_CLIENT_SECRET', 'BLOCKPASS_ISSUED_CERTIFICATE'].map(
        (name) => `${name} must be set with BLOCKPASS_CLIENT_ID when NODE_ENV=production`,
      ),
    );
    const complete = {
      ...client,
      BLOCKPASS_BASE_URL: 'https://api.blockpass.example/',
      BLOCKPASS_CLIENT_SECRET: 'secret',
      BLOCKPASS_ISSUED_CERTIFICATE: 'shop-cert',
    };
    const { blockpass } = loadConfig({ ...production(), ...complete });
    expect(blockpass).toMatchObject({ enabled: true, baseUrl: 'https://api.blockpass.example' });
    expect(
      problemsOf({ ...production(), ...complete, BLOCKPASS_BASE_URL: 'http://plain.example' }),
    ).toHaveLength(1);
  });

  it('refuses invalid values', () => {
    for (const setting of [
      { BLOCKPASS_PATH: 'no-slash' },
      { BLOCKPASS_PATH: '/trailing/' },
      { BLOCKPASS_REQUIRED_FIELDS: 'Given Name' },
      { BLOCKPASS_REQUIRED_FIELDS: 'email', BLOCKPASS_OPTIONAL_FIELDS: 'email' },
      { BLOCKPASS_SIGNING_KEY: '0xabc' },
      { BLOCKPASS_APP_SCHEME: 'javascript:alert' },
    ]) {
      expect([setting, problemsOf(setting).length]).toEqual([setting, 1]);
    }
  });
});

describe('AUDIT_STREAM', () => {
  const streamOf = (value: string) => loadConfig({ AUDIT_STREAM: value }).auditStream;

  it('is off, standard output, or a syslog receiver', () => {
    expect(loadConfig({}).auditStream).toBe('off');
    expect(streamOf('stdout')).toBe('stdout');
    expect(streamOf('syslog://127.0.0.1:1514')).toEqual({ host: '127.0.0.1', port: 1514, tls: false });
    expect(streamOf('syslog+tls://log.example.test')).toEqual({
      host: 'log.example.test',
      port: 6514,
      tls: true,
    });
    expect(streamOf('syslog+tls://[::1]:1')).toMatchObject({ host: '::1', port: 1 });
  });

  it.each([
    'syslog://log.example.test',
    'udp://log.example.test:514',
    'syslog://user@host:1',
    'syslog://host:1/a',
    'on',
  ])('refuses %s', (value) => {
    expect(problemsOf({ AUDIT_STREAM: value })).toEqual([expect.stringMatching(/^AUDIT_STREAM must/)]);
  });
});

describe('JWT_SERVICE_AUDIENCES', () => {
  it('is a list of names and URIs', () => {
    const { serviceAudiences } = loadConfig({
      JWT_SERVICE_AUDIENCES: 'reports, urn:billing,reports',
    }).accessToken;
    expect(serviceAudiences).toEqual(['reports', 'urn:billing']);
  });

  it.each(['gatehouse', 'http://localhost:4000/enrol', 'two words', '"quoted"'])('refuses %s', (value) => {
    expect(problemsOf({ JWT_SERVICE_AUDIENCES: value })).toEqual([
      expect.stringMatching(/^JWT_SERVICE_AUDIENCES must/),
    ]);
  });
});

describe('DPOP', () => {
  it('is off by default, and needs tokens in the body', () => {
    expect(loadConfig({}).session.dpop).toBe('off');
    expect(problemsOf({ DPOP: 'optional' })).toEqual([]);
    expect(problemsOf({ DPOP: 'required', TOKEN_DELIVERY: 'cookie' })).toEqual([
      expect.stringMatching(/^DPOP needs TOKEN_DELIVERY/),
    ]);
  });
});

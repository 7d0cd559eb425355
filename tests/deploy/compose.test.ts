import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { parse } from 'yaml';

interface Service {
  readonly image?: string;
  readonly profiles?: readonly string[];
  readonly ports?: readonly string[];
  readonly networks?: readonly string[] | Readonly<Record<string, unknown>>;
  readonly cap_drop?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
}

const file = parse(readFileSync('docker-compose.yml', 'utf8'), { merge: true }) as {
  services: Record<string, Service>;
  networks: Record<string, { internal?: boolean }>;
};
const services = Object.entries(file.services);
const SERVERS = ['postgres', 'redis', 'databases'];

const composeCommand = [['docker', 'compose'], ['docker-compose']].find(
  ([command = '', ...args]) => spawnSync(command, [...args, 'version']).status === 0,
);

describe('docker-compose.yml', () => {
  it('starts the gateway, its migrations, PostgreSQL and Redis without a profile', () => {
    const base = services.filter(([, { profiles }]) => profiles === undefined).map(([name]) => name);
    expect(base.sort()).toEqual(['gateway', 'migrate', 'postgres', 'redis']);
  });

  it('has the profiles that the documents name', () => {
    const profiles = new Set(services.flatMap(([, service]) => service.profiles ?? []));
    expect([...profiles].sort()).toEqual(['dev', 'mail', 'observe', 'test', 'tls']);
  });

  it('names a version of every image', () => {
    const images = services.map(([, { image = '' }]) => image.replace(/^\$\{[A-Z_]+:-(.+)\}$/, '$1'));
    const unpinned = images.filter((image) => image !== 'gatehouse' && !/:v?\d[\w.-]*$/.test(image));
    expect(unpinned).toEqual([]);
  });

  it('opens ports of nginx alone to other hosts', () => {
    const open = services.filter(([, { ports = [] }]) =>
      ports.some((port) => !port.startsWith('127.0.0.1:')),
    );
    expect(open.map(([name]) => name)).toEqual(['nginx']);
  });

  it('keeps PostgreSQL and Redis in an internal network that nginx does not share', () => {
    expect(file.networks.inside?.internal).toBe(true);
    for (const name of SERVERS)
      expect({ name, networks: file.services[name]?.networks }).toEqual({ name, networks: ['inside'] });
    expect(Object.keys(file.services.nginx?.networks ?? {})).toEqual(['edge']);
  });

  it('takes every capability from everything but PostgreSQL and Redis, which give up root themselves', () => {
    const others = services.filter(([name]) => !SERVERS.includes(name));
    expect(others.filter(([, { cap_drop }]) => cap_drop?.[0] !== 'ALL').map(([name]) => name)).toEqual([]);
  });

  it('trusts the address of nginx, and gives it to no other container', () => {
    const address = `\${EDGE_NETWORK:-172.31.251}.10`;
    const edge = (name: string) => JSON.stringify(file.services[name]?.networks);
    expect(edge('nginx')).toContain(address);
    for (const name of ['gateway', 'gateway-2']) {
      expect(file.services[name]?.environment?.TRUSTED_PROXIES).toBe(`${address},\${TRUSTED_PROXIES:-}`);
      expect(edge(name)).not.toContain(address);
    }
  });

  it('gives dev and test a database and a Redis of their own', () => {
    const addresses = ['gateway', 'gateway-dev', 'gateway-test'].map((name) => {
      const { DATABASE_URL = '', REDIS_URL = '' } = file.services[name]?.environment ?? {};
      return [DATABASE_URL.split('/').at(-1), REDIS_URL];
    });
    expect(addresses).toEqual([
      ['gatehouse', 'redis://redis:6379'],
      ['gatehouse_dev', 'redis://redis:6379/1'],
      ['gatehouse_test', 'redis://redis:6379/2'],
    ]);
  });

  (composeCommand ? it : it.skip)('is accepted by Docker Compose, with an .env of deploy/new-env', () => {
    const lines = spawnSync('deploy/new-env', ['https://auth.example.com'], { encoding: 'utf8' }).stdout;
    const settings = Object.fromEntries(lines.split('\n').map((line) => line.split(/=(.*)/s).slice(0, 2)));
    const [command = '', ...args] = composeCommand ?? [];
    const profiles = ['tls', 'observe', 'mail', 'dev', 'test'].flatMap((name) => ['--profile', name]);
    const checked = spawnSync(command, [...args, ...profiles, 'config', '--quiet'], {
      env: { PATH: process.env.PATH, ...settings },
      encoding: 'utf8',
    });
    expect({ status: checked.status, errors: checked.stderr }).toEqual({ status: 0, errors: '' });
  });
});

describe('deploy/make-certificate', () => {
  it('makes a certificate that nginx can use, and keeps one that is there', () => {
    const folder = spawnSync('mktemp', ['-d'], { encoding: 'utf8' }).stdout.trim();
    const make = () =>
      spawnSync('deploy/make-certificate', ['auth.example.com', folder], { encoding: 'utf8' });
    expect(make().status).toBe(0);
    const certificate = spawnSync('openssl', [
      'x509',
      '-noout',
      '-ext',
      'subjectAltName',
      '-in',
      `${folder}/localhost.crt`,
    ]);
    expect(String(certificate.stdout)).toContain('DNS:auth.example.com, DNS:localhost, IP Address:127.0.0.1');
    expect(
      spawnSync('stat', ['-c', '%a', `${folder}/localhost.key`], { encoding: 'utf8' }).stdout.trim(),
    ).toBe('600');
    expect(make()).toMatchObject({ status: 1, stderr: expect.stringContaining('already has a certificate') });
    spawnSync('rm', ['-r', folder]);
  });
});

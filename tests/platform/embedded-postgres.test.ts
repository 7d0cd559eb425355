import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';

import { afterAll, afterEach, describe, expect, it, jest } from '@jest/globals';
import { Client } from 'pg';

import { loadBinaries } from '../../src/platform/embedded-postgres/binaries.ts';
import { ensureCluster } from '../../src/platform/embedded-postgres/cluster.ts';
import {
  type EmbeddedPostgres,
  EmbeddedPostgresError,
  type EmbeddedPostgresOptions,
  joinEmbeddedPostgres,
} from '../../src/platform/embedded-postgres/index.ts';
import { type Postmaster, readPostmaster } from '../../src/platform/embedded-postgres/postmaster.ts';
import { startServer, stopServer } from '../../src/platform/embedded-postgres/server.ts';
import { findLauncher } from '../../src/platform/embedded-postgres/unprivileged.ts';

const MODULE = new URL('../../src/platform/embedded-postgres/index.ts', import.meta.url).href;
const PASSWORD = 'p ä/@\'$"s';
// initdb takes a second, or several on a busy machine.
jest.setTimeout(30_000);

const onLinux = process.platform === 'linux' ? it : it.skip;
/** Whether an account that owns none of the parent folders can reach this checkout. */
async function othersReachTheCheckout(): Promise<boolean> {
  for (let folder = process.cwd(); folder !== dirname(folder); folder = dirname(folder)) {
    if (((await stat(folder)).mode & 0o001) === 0) return false;
  }
  return true;
}

const asRoot = process.getuid?.() === 0 && (await othersReachTheCheckout()) ? it : it.skip;

const folders: string[] = [];
const members: EmbeddedPostgres[] = [];
const children: ChildProcess[] = [];

/** mkdtemp creates it with mode 0700, which only its owner can enter. */
async function newFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'gatehouse-postgres-'));
  folders.push(folder);
  return folder;
}

async function enter(
  directory: string,
  options: Partial<EmbeddedPostgresOptions> = {},
): Promise<EmbeddedPostgres> {
  const member = await joinEmbeddedPostgres({ directory, password: PASSWORD, ...options });
  members.push(member);
  return member;
}

async function query(
  member: EmbeddedPostgres,
  text: string,
  database = 'postgres',
): Promise<Record<string, unknown>[]> {
  const client = new Client(member.url(database));
  await client.connect();
  try {
    return (await client.query(text)).rows;
  } finally {
    await client.end();
  }
}

async function running(directory: string): Promise<Postmaster> {
  const found = await readPostmaster(directory);
  if (found === undefined) {
    throw new Error('no server');
  }
  return found;
}

/** A process that joins, claims the gateway, and then waits to be killed. */
async function gatewayProcess(
  directory: string,
): Promise<{ child: ChildProcess; port: number; claimed: boolean }> {
  const script = `
    import { joinEmbeddedPostgres } from ${JSON.stringify(MODULE)};
    const member = await joinEmbeddedPostgres(${JSON.stringify({ directory, password: PASSWORD })});
    console.log(JSON.stringify({ port: member.port, claimed: await member.claimGateway() }));
  `;
  const child = spawn(process.execPath, ['--input-type=module', '--eval', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  children.push(child);
  const [line] = await once(createInterface({ input: child.stdout }), 'line');
  return { child, ...JSON.parse(String(line)) };
}

async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) {
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
}

/** One cluster for the tests that do not need a fresh one. */
const shared = newFolder().then((folder) => join(folder, 'data', 'postgres'));

afterEach(async () => {
  await Promise.all(children.splice(0).map(kill));
  await Promise.all(members.splice(0).map((member) => member.leave()));
});

afterAll(async () => {
  for (const folder of folders) {
    await rm(folder, { recursive: true, force: true });
  }
});

describe('joinEmbeddedPostgres', () => {
  it('creates a cluster that only this machine can reach, with a password', async () => {
    const directory = await shared;
    const member = await enter(directory);
    const [row] = await query(
      member,
      `SELECT datlocprovider AS provider, datlocale AS locale, pg_encoding_to_char(encoding) AS encoding,
         current_setting('listen_addresses') AS addresses, current_setting('unix_socket_directories') AS sockets,
         current_setting('max_connections') AS connections, current_setting('fsync') AS fsync,
         current_setting('TimeZone') AS zone, current_user AS "user"
       FROM pg_database WHERE datname = current_database()`,
    );
    expect(row).toEqual({
      provider: 'b',
      locale: 'C.UTF-8',
      encoding: 'UTF8',
      addresses: '127.0.0.1',
      sockets: '',
      connections: '400',
      fsync: 'on',
      zone: 'UTC',
      user: 'postgres',
    });
    expect(await readFile(join(directory, 'pg_hba.conf'), 'utf8')).not.toMatch(
      /^[^#]*\b(?:trust|md5|password)\s*$/m,
    );
    expect((await stat(directory)).mode & 0o777).toBe(0o700);
    expect(await readdir(join(directory, '..'))).toEqual(['postgres']);
    expect(await readFile(join(directory, 'server.log'), 'utf8')).not.toContain(PASSWORD);
  });

  it('keeps its data, and the server stops with the last member', async () => {
    const directory = await shared;
    const first = await enter(directory);
    await query(first, 'CREATE DATABASE "gate house"');
    await query(first, 'CREATE TABLE kept AS SELECT 42 AS answer', 'gate house');
    await first.leave();
    await first.leave();
    expect(await readPostmaster(directory)).toBeUndefined();

    const second = await enter(directory);
    expect(await query(second, 'SELECT answer FROM kept', 'gate house')).toEqual([{ answer: 42 }]);
  });

  it('gives two that start in an empty folder at once the same server, which the first to leave does not stop', async () => {
    const directory = join(await newFolder(), 'postgres');
    const [one, other] = await Promise.all([enter(directory), gatewayProcess(directory)]);
    expect(other).toMatchObject({ port: one.port, claimed: true });
    expect(await readdir(join(directory, '..'))).toEqual(['postgres']);

    const third = await enter(directory);
    await one.leave();
    await kill(other.child);
    expect(await query(third, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
    await third.leave();
    expect(await readPostmaster(directory)).toBeUndefined();
  });

  it('leaves the server running for the others when a member leaves', async () => {
    const directory = await shared;
    const failures: Error[] = [];
    const comeAndGo = async () => {
      for (let round = 0; round < 12; round += 1) {
        const member = await enter(directory, { onLost: (error) => failures.push(error) });
        expect(await query(member, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
        await member.leave();
      }
    };
    await Promise.all([comeAndGo(), comeAndGo(), comeAndGo()]);
    expect(failures).toEqual([]);
    expect(await readPostmaster(directory)).toBeUndefined();
  });

  onLinux('runs the server in its own session, without the environment of the gateway', async () => {
    const directory = await shared;
    await enter(directory);
    const { pid } = await running(directory);
    // proc(5): the fields after the name in parentheses are state, ppid, pgrp, session, tty.
    const [, , , session, terminal] =
      (await readFile(`/proc/${pid}/stat`, 'utf8')).split(') ')[1]?.split(' ') ?? [];
    expect({ session, terminal }).toEqual({ session: String(pid), terminal: '0' });
    expect(await readFile(`/proc/${pid}/environ`, 'utf8')).not.toMatch(/HOME|NODE|npm_/);
  });
});

describe('claimGateway', () => {
  it('lets one process be the gateway, and the next one after it has left', async () => {
    const directory = await shared;
    const first = await enter(directory);
    expect(await first.claimGateway()).toBe(true);
    expect(await first.claimGateway()).toBe(true);
    const other = await gatewayProcess(directory);
    expect(other).toMatchObject({ port: first.port, claimed: false });

    const second = await enter(directory);
    expect(await second.claimGateway()).toBe(false);
    await first.leave();
    expect(await second.claimGateway()).toBe(true);
  });

  it('adopts the server of a gateway that was killed', async () => {
    const directory = await shared;
    const gateway = await gatewayProcess(directory);
    expect(gateway.claimed).toBe(true);
    await kill(gateway.child);

    const next = await enter(directory);
    expect(next.port).toBe(gateway.port);
    expect(await next.claimGateway()).toBe(true);
    await next.leave();
    expect(await readPostmaster(directory)).toBeUndefined();
  });
});

describe('after an accident, joinEmbeddedPostgres', () => {
  it('tells the members that the server was killed, and starts it again for the next one', async () => {
    const directory = await shared;
    const lost: Error[] = [];
    const told = Promise.withResolvers<void>();
    const onLost = (error: Error) => {
      lost.push(error);
      told.resolve();
    };
    await enter(directory, { onLost });
    process.kill((await running(directory)).pid, 'SIGKILL');
    await told.promise;

    const [one, other] = await Promise.all([enter(directory), enter(directory)]);
    expect(other.port).toBe(one.port);
    expect(await query(one, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
    expect(await one.claimGateway()).toBe(true);
    expect(lost).toHaveLength(1);
  });

  it('does not mistake another process for the server of a stale postmaster.pid', async () => {
    const directory = await shared;
    const lines = [process.pid, directory, 1, 5432, '', '127.0.0.1', '1 2', 'ready   ', ''];
    await writeFile(join(directory, 'postmaster.pid'), lines.join('\n'));
    expect(await query(await enter(directory), 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
  });

  it('waits for a server that is shutting down, and starts it again', async () => {
    const directory = await shared;
    const member = await enter(directory, { onLost: () => undefined });
    const before = await running(directory);
    process.kill(before.pid, 'SIGINT');
    const after = await enter(directory);
    expect(await query(after, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
    expect((await running(directory)).pid).not.toBe(before.pid);
    await member.leave();
  });

  it('removes the files of an initdb that was interrupted long ago, and nothing else', async () => {
    const directory = await shared;
    const gone = spawn(process.execPath, ['--version'], { stdio: 'ignore' });
    await once(gone, 'exit');
    const names = [
      `postgres.initdb-${gone.pid}-00`,
      `postgres.initdb-${process.pid}-00`,
      'postgres.initdb-notes',
    ];
    for (const name of names) {
      await mkdir(join(directory, '..', name, 'cluster'), { recursive: true });
      await utimes(join(directory, '..', name), 0, 0);
    }
    await enter(directory);
    expect((await readdir(join(directory, '..'))).sort()).toEqual(['postgres', ...names.slice(1)].sort());
  });
});

describe('a folder is refused', () => {
  const refusal = async (directory: string, password = PASSWORD): Promise<string> => {
    const error = await joinEmbeddedPostgres({ directory, password }).then(
      () => undefined,
      (reason: unknown) => reason,
    );
    expect(error).toBeInstanceOf(EmbeddedPostgresError);
    return error instanceof Error ? error.message : '';
  };

  it('when it holds other files', async () => {
    const folder = await newFolder();
    await writeFile(join(folder, 'letter.txt'), 'Dear');
    expect(await refusal(folder)).toBe(
      `DATA_DIR: ${folder} is neither empty nor a PostgreSQL cluster; choose another DATA_DIR.`,
    );
    expect(await readdir(folder)).toEqual(['letter.txt']);
    expect(await refusal(join(folder, 'letter.txt'))).toMatch(/^DATA_DIR: .* is not a folder \(ENOTDIR\)\.$/);
    expect(await refusal(join(folder, 'letter.txt', 'postgres'))).toMatch(/^DATA_DIR: .* is not a folder/);
  });

  it('when another version wrote it', async () => {
    const folder = await newFolder();
    await writeFile(join(folder, 'PG_VERSION'), '15\n');
    expect(await refusal(folder)).toMatch(
      /^DATA_DIR: .* was made by PostgreSQL 15, but this is version 18: /,
    );
  });

  it('when it has another password, and no server stays behind', async () => {
    const directory = await shared;
    const message = await refusal(directory, 'another');
    expect(message).toMatch(/^DATA_DIR: .* has another password/);
    expect(message).not.toContain("'another'");
    expect(await readPostmaster(directory)).toBeUndefined();
  });

  it('when PostgreSQL does not start on it: the error has its last log lines', async () => {
    const directory = await shared;
    const settings = join(directory, 'postgresql.auto.conf');
    const before = await readFile(settings);
    await writeFile(settings, 'no_such_setting = 1\n');
    const message = await refusal(directory);
    await writeFile(settings, before);
    expect(message).toMatch(/^DATA_DIR: PostgreSQL does not start on .* \(exit code 1\)/);
    expect(message).toMatch(/FATAL: {2}configuration file .* contains errors$/);
  });
});

describe('as root', () => {
  asRoot('runs as an account that can reach the folder when user namespaces are not allowed', async () => {
    const folder = await newFolder();
    const directory = join(folder, 'postgres');
    const programs = await loadBinaries();
    const without = { folder, program: programs.postgres, unshare: ['false'] };
    await expect(findLauncher(without)).rejects.toThrow(
      /refuses to run as root.* ordinary user, or set DATABASE_URL/,
    );

    await chmod(folder, 0o711);
    const launcher = await findLauncher(without);
    expect(launcher.spawn.uid).toBeGreaterThan(0);
    await ensureCluster({ directory, password: PASSWORD, programs, launcher: async () => launcher });
    const start = () => startServer({ directory, programs, launcher, deadline: Date.now() + 10_000 });
    const started = await start();
    expect((await stat(directory)).uid).toBe(launcher.spawn.uid);

    const member = await enter(directory);
    expect(member.port).toBe(started?.port);
    await member.leave();

    // Also after a switch between the two ways of starting, and back.
    await enter(directory).then((next) => next.leave());
    expect((await stat(directory)).uid).not.toBe(launcher.spawn.uid);
    const again = await start();
    expect((await stat(join(directory, 'base'))).uid).toBe(launcher.spawn.uid);
    if (again !== undefined) {
      await stopServer(directory, again, { programs, launcher: async () => launcher });
    }
    expect(existsSync(join(directory, 'postmaster.pid'))).toBe(false);
  });
});

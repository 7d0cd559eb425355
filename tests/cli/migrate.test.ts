import { readFileSync } from 'node:fs';
import { PassThrough } from 'node:stream';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { program } from '../../src/cli/program.ts';
import { NO_SIGNALS } from '../../src/cli/signals.ts';
import type { Streams } from '../../src/cli/streams.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { newSecrets } from '../support/gateway.ts';
import { GatehouseProcess } from '../support/process.ts';

let database: TestDatabase;
let environment: Record<string, string>;
beforeAll(async () => {
  database = await createTestDatabase();
  environment = {
    ...newSecrets(),
    DATABASE_URL: database.servingUrl,
    DATABASE_MIGRATION_URL: database.ownerUrl,
  };
});
afterAll(async () => {
  await GatehouseProcess.killAll();
  await database.drop();
});

const applied = async () =>
  (await database.query<{ name: string }>('select name from migration order by id')).map(({ name }) => name);

/** Runs a command at a terminal, where a person types `answer`. */
async function atTerminal(args: string[], answer: string): Promise<string> {
  const input = Object.assign(new PassThrough(), { isTTY: true });
  const output = new PassThrough();
  const printed = text(output);
  input.end(answer);
  try {
    await program({
      environment,
      workingFolder: '/nonexistent',
      streams: { input, output, errors: output } as unknown as Streams,
      signals: NO_SIGNALS,
    }).parseAsync(['node', 'gatehouse', ...args]);
  } finally {
    output.end();
  }
  return printed;
}

describe('gatehouse migrate down', () => {
  it('refuses without a terminal and without --yes, and says what would be lost', async () => {
    const before = await applied();
    const command = GatehouseProcess.run(['migrate', 'down'], environment);
    expect(await command.ended).toBe(1);
    expect(command.errors).toBe(
      `This reverts ${before.at(-1)} and drops the data in the tables and columns that it added. ` +
        'There is no terminal for the question. Add --yes to confirm.\n',
    );
    expect(await applied()).toEqual(before);
  });

  it.each(['no\n', '\n', 'y\n', ''])('changes nothing at a terminal after the answer %j', async (answer) => {
    const before = await applied();
    await expect(atTerminal(['migrate', 'down'], answer)).rejects.toThrow('Nothing was changed.');
    expect(await applied()).toEqual(before);
  });

  it('reverts after the answer yes, and with --yes', async () => {
    const before = await applied();
    expect(await atTerminal(['migrate', 'down'], 'yes\n')).toContain(`reverted ${before.at(-1)}`);
    const command = GatehouseProcess.run(['migrate', 'down', '--yes'], environment);
    expect(await command.ended).toBe(0);
    expect(await applied()).toEqual(before.slice(0, -2));
  });
});

describe('gatehouse migrate without rights', () => {
  it.each(['up', 'status'])('fails with one line, without a stack: %s', async (work) => {
    const empty = await createTestDatabase({ migrated: false });
    const command = GatehouseProcess.run(['migrate', work], {
      ...newSecrets(),
      DATABASE_URL: empty.servingUrl,
    });
    expect(await command.ended).toBe(1);
    expect(command.errors).toMatch(
      /^DATABASE_URL: .* set DATABASE_MIGRATION_URL .*\bCREATE on the schema public\.\n$/,
    );
    await empty.drop();
  });
});

describe('gatehouse migrate with a wrong DATABASE_MIGRATION_URL', () => {
  it.each(['up', 'status'])('names that setting, not DATABASE_URL: %s', async (work) => {
    const wrong = new URL(database.ownerUrl);
    wrong.password = 'wrong';
    const command = GatehouseProcess.run(['migrate', work], {
      ...environment,
      DATABASE_MIGRATION_URL: wrong.href,
    });
    expect(await command.ended).toBe(1);
    expect(command.errors).toBe('DATABASE_MIGRATION_URL: the database refused the login (28P01)\n');
  });
});

describe('gatehouse --version', () => {
  it('prints the version of package.json', async () => {
    const command = GatehouseProcess.run(['--version'], {});
    expect(await command.ended).toBe(0);
    expect(command.output.trim()).toBe(JSON.parse(readFileSync('package.json', 'utf8')).version);
  });
});

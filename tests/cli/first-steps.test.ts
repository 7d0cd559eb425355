/** @topology one: curl calls one address, as a reader does */
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { newSecrets, TestGateway } from '../support/gateway.ts';
import { noteSecrets } from '../support/secret-watch.ts';
import type { Subject } from '../support/subject.ts';

interface Block {
  readonly language: string;
  readonly text: string;
}

/** The code blocks in one section of a document, in order. */
function blocksOf(document: string, heading: string): Block[] {
  const [, ...sections] = readFileSync(document, 'utf8').split(/^## /m);
  const section = sections.find((text) => text.startsWith(`${heading}\n`)) ?? '';
  const blocks = [...section.matchAll(/^```(\w+)\n(.*?)\n```$/gms)];
  return blocks.map(([, language = '', text = '']) => ({ language, text }));
}

/** `…` stands for the rest of a value. Ids and times differ too. */
function asPrinted(line: string): unknown {
  const pattern = line
    .replaceAll(/"[0-9a-f]{8}-…/g, '"…')
    .split('…')
    .map((part) => part.replaceAll(/[\\^$.*+?()[\]{}|]/g, '\\$&'))
    .join('[^"]*')
    .replaceAll(/\d{4}-\d\d-\d\dT[\d:]+\\\.\d{3}Z/g, '\\d{4}-\\d\\d-\\d\\dT[\\d:.]+Z');
  return expect.stringMatching(new RegExp(`^${pattern}$`));
}

describe('the README and the first steps', () => {
  const secrets = newSecrets();
  let gateway: TestGateway;
  let folder: string;
  beforeAll(async () => {
    gateway = await TestGateway.start(secrets);
    folder = mkdtempSync(join(tmpdir(), 'gatehouse-readme-'));
  });
  afterAll(async () => {
    rmSync(folder, { recursive: true });
    await gateway.close();
  });

  /** Runs commands as a reader types them. @returns the lines that they print. */
  const run = async (script: string, variables: Record<string, string> = {}): Promise<string[]> => {
    const environment = {
      PATH: process.env.PATH,
      NODE_ENV: 'test',
      PASSWORD_BCRYPT_COST: '4',
      LOG_LEVEL: 'silent',
      DATABASE_URL: gateway.database.servingUrl,
      DATABASE_MIGRATION_URL: gateway.database.ownerUrl,
      ...secrets,
      ...variables,
    };
    const gatehouse = `gatehouse() { '${process.execPath}' -- '${resolve('dist/src/main.js')}' "$@" 2>&1; }`;
    const text = `${gatehouse}\n${script}`
      .replaceAll('http://localhost:4000', gateway.url)
      .replaceAll('npm run --silent gatehouse --', 'gatehouse');
    const { promise, resolve: settle } = Promise.withResolvers<string>();
    execFile('bash', ['-c', text], { cwd: folder, env: environment }, (_error, output) => settle(output));
    return (await promise).trimEnd().split('\n');
  };

  /**
   * Runs the commands of a section, of which the first defines a function. @returns the lines that it
   * compared.
   */
  const walkCurl = async (document: string, heading: string): Promise<number> => {
    const [definition, ...blocks] = blocksOf(document, heading);
    const variables: Record<string, string> = {};
    let printed: string[] = [];
    let compared = 0;
    for (const { language, text } of blocks) {
      if (language === 'text') {
        expect(printed).toEqual(text.split('\n').map(asPrinted));
        compared += printed.length;
      } else if (text.startsWith('ACCESS=')) {
        const { accessToken, refreshToken } = JSON.parse(printed[0] ?? '').data.login;
        expect(text.split('\n')).toEqual([
          expect.stringMatching(/^ACCESS=eyJ0eXAi…$/),
          expect.stringMatching(/^REFRESH=A…$/),
        ]);
        noteSecrets({ accessToken, refreshToken });
        Object.assign(variables, { ACCESS: accessToken, REFRESH: refreshToken });
      } else {
        printed = await run(`${definition?.text}\n${text}`, variables);
      }
    }
    return compared;
  };
  const forget = async () => {
    await gateway.database.query(`delete from users where username = 'ada'`);
    await gateway.database.query('delete from dev_mail');
  };

  it.each([
    ['README.md', 'A first login', 3],
    ['docs/first-steps.md', 'Accounts and sessions', 13],
  ])('show for curl the output of the gateway: %s, %s', async (document, heading, lines) => {
    await forget();
    expect(await walkCurl(document, heading)).toBe(lines);
  });

  describe('show for a superuser the output of the command', () => {
    const blocks = blocksOf('docs/first-steps.md', 'A superuser').filter(
      ({ language }) => language === 'console',
    );
    const walk = async ({ text }: Block) => {
      const steps = text.split(/^\$ /m).slice(1);
      for (const step of steps) {
        const [command = '', ...output] = step.trimEnd().split('\n');
        expect(await run(command)).toEqual(output);
      }
      return steps.length;
    };
    const anAda = (): Promise<Subject> => gateway.aSubject({ username: 'ada', email: 'ada@example.com' });

    it('for a new account', async () => {
      expect(await walk(blocks[0] as Block)).toBe(1);
    });

    it('before ada has confirmed her address', async () => {
      await forget();
      await anAda();
      expect(await walk(blocks[1] as Block)).toBe(2);
    });

    it('after ada has confirmed it', async () => {
      await forget();
      await gateway.confirm(await anAda());
      expect(await walk(blocks[2] as Block)).toBe(1);
      expect(blocks).toHaveLength(3);
    });
  });
});

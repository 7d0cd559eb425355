/** @topology one: is about commands, not about requests */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import bcrypt from 'bcryptjs';
import { command } from '../support/command.ts';
import { newSecrets, TestGateway } from '../support/gateway.ts';
import { LoginDocument } from '../support/generated/operations.ts';
import { GatehouseProcess } from '../support/process.ts';
import { aRole, aSuperuser } from '../support/staff.ts';

const secrets = newSecrets();
const PASSWORD = 'from the old system';
/** A plain bcrypt hash of another system. */
const HASH = bcrypt.hashSync(PASSWORD, 4);
/**
 * Hashes of PASSWORD at low cost, made by Werkzeug 3.1.9, Django 5.2.17, passlib 1.7.4 and Python's hashlib.
 */
const FOREIGN_HASHES: Readonly<Record<string, string>> = {
  'werkzeug-pbkdf2':
    'pbkdf2:sha256:2000$XRM3LQJoyjiKqCjO$9e9c1ad1f940f58bbee9b3866d4933b6affad5a262aa06b5e3f7cf207957eb5e',
  'werkzeug-sha512':
    'pbkdf2:sha512:1000$Pc4XQBRjXe83ueHy$9d28ddab3aa8dd6b770c637ec1a315e5896db2886c9ae44672130f722c1e7c0f22645373ee1859b9e58a458d26d322588d837e22142466346ab90879a9058f7c',
  'werkzeug-scrypt':
    'scrypt:1024:8:1$ry9Pxx31CK8pdUtN$0cb21071a327fbecc3b639a1029aca56ac6a3799faa3578b82a4d3647bea5943ce0b5bed8b0591aa35758ea871a92573fd74e5e808119c336ecbd6b5abca14e0',
  'django-pbkdf2': 'pbkdf2_sha256$2000$kP2mXqUuYt1wZ4$E0dnyeDRAhU/ZP0flzqRDF2N39nxKzVCDw0+soR967Q=',
  'django-sha1': 'pbkdf2_sha1$1000$kP2mXqUuYt1wZ4$vhHQPecKRIdXxCFn++rruU/wL9I=',
  'django-scrypt':
    'scrypt$1024$kP2mXqUuYt1wZ4$8$5$AMBZazpTNpEcTWpOMARuY0XSVDwZ9ChpUPht00tvQ2cti6i2Pz1hnmjzOQr5VtW8mQkGIMVwFd5HalpGdZC3rg==',
  'passlib-sha256': '$pbkdf2-sha256$2000$lrJ2jnEOIeTcu7c2BqA0xg$0enitGmH3n1pzcVvUTKzuwCOHulIJEGsY9JLqRZUdtY',
  'passlib-sha512':
    '$pbkdf2-sha512$1000$K0UIwTinNAYA4Bwj5LxXKg$uafK3HG6wqDytBL88QUKUVB7oKZzJ7ladCFeutqeJ68GtYP0WOi2ZaN2OFn3eXHkhDMrJ1hKWHJhjjWorU6Arw',
  'passlib-sha1': '$pbkdf2$1000$uXeuFeJcy9lbKwWgFMJYaw$YHLe8sJdM7gXaaKUNDr.BUy99pY',
  'passlib-scrypt':
    '$scrypt$ln=10,r=8,p=1$du59L2Xsvde6VyqldM6ZUw$ENmH21I7i3ZIHNe0UclWd5c1RaMMVQ9YQnEY8zYeGPA',
  'phc-pbkdf2': '$pbkdf2-sha256$i=2000,l=32$AQIDc2FsdC1vZi1waGMh$ULB8bvfrS7DOQwgXLqAJ9tpJtXuGHhEddkeWF6xSgiU',
  'phc-scrypt': '$scrypt$ln=10,r=8,p=2$AQIDc2FsdC1vZi1waGMh$gDSSyR0RKNxxISC2Sh5AGyTUiIxair4JQ4OmAHEcdGE',
};
let gateway: TestGateway;
let folder: string;

beforeAll(async () => {
  gateway = await TestGateway.start(secrets);
  folder = await mkdtemp(join(tmpdir(), 'gatehouse-import-'));
});
afterEach(() => GatehouseProcess.killAll());
afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
  await gateway.close();
});

const environment = ({ database }: TestGateway) => ({
  NODE_ENV: 'test',
  DATABASE_URL: database.servingUrl,
  DATABASE_MIGRATION_URL: database.ownerUrl,
  ...secrets,
});

const users = (args: readonly string[], { input = '', on = gateway } = {}) =>
  command(['users', ...args], environment(on), { input });

const jsonLines = (records: readonly unknown[]) =>
  records.map((record) => `${JSON.stringify(record)}\n`).join('');

async function importing(records: readonly unknown[], ...options: string[]) {
  const file = join(folder, 'users.jsonl');
  await writeFile(file, jsonLines(records));
  return users(['import', file, ...options]);
}

const login = (identifier: string) =>
  gateway.client.execute(LoginDocument, { input: { identifier, password: PASSWORD } });
const account = async (username: string) => {
  const [row] = await gateway.database.query(
    `select u.email, u.email_confirmed_at is not null as confirmed, u.display_name, u.deactivated_by, c.hash, c.pepper_id,
            array(select r.name from role_grant g join role r on r.id = g.role_id where g.user_id = u.id) as roles
     from users u left join password_credential c on c.user_id = u.id where u.username = $1`,
    [username],
  );
  return row;
};

describe('gatehouse users import', () => {
  it('imports accounts with their password hashes, which are replaced at the first login', async () => {
    const role = await aRole(gateway);
    const imported = await importing([
      {
        username: 'Ada',
        email: 'ada@old.test',
        emailConfirmed: true,
        displayName: 'Ada L.',
        passwordHash: HASH,
        roles: [role.name],
        createdAt: '2019-05-06T07:08:09Z',
      },
      { username: 'bob' },
      { username: 'carol', passwordHash: HASH, deactivatedBy: 'ADMIN' },
    ]);
    expect(imported).toMatchObject({
      code: 0,
      output: 'Imported 3 accounts; 0 accounts there already; 0 lines refused.\n',
      errors: expect.stringMatching(/^100 %, 3 lines read in [\d.]+ s: 3 imported, 0 present, 0 refused\n$/),
    });
    expect(await account('Ada')).toMatchObject({
      email: 'ada@old.test',
      confirmed: true,
      display_name: 'Ada L.',
      hash: HASH,
      pepper_id: null,
      roles: [role.name],
    });
    expect((await login('ada@old.test')).errors).toEqual([]);
    expect(await account('Ada')).toMatchObject({
      pepper_id: expect.any(String),
      hash: expect.not.stringContaining(HASH),
    });
    expect((await login('ada')).errors).toEqual([]);
    expect((await login('bob')).code).toBe('INVALID_CREDENTIALS');
    expect((await login('carol')).code).toBe('INVALID_CREDENTIALS');
  });

  it('imports PBKDF2 and scrypt hashes of other tools, which sign in and are replaced then', async () => {
    const people = Object.entries(FOREIGN_HASHES);
    const records = people.map(([username, passwordHash]) => ({ username, passwordHash }));
    expect(await importing(records)).toMatchObject({
      code: 0,
      output: expect.stringMatching(/^Imported 12 accounts/),
    });
    for (const [username] of people) {
      const wrong = { identifier: username, password: `${PASSWORD}!` };
      expect((await gateway.client.execute(LoginDocument, { input: wrong })).code).toBe(
        'INVALID_CREDENTIALS',
      );
      expect([username, (await login(username)).errors]).toEqual([username, []]);
      expect(await account(username)).toMatchObject({
        hash: expect.stringMatching(/^\$(2b|argon2id)\$/),
        pepper_id: expect.any(String),
      });
    }
    expect((await login('phc-scrypt')).errors).toEqual([]);
  });

  it('reports a bad line by its number, without its values, and continues', async () => {
    await importing([{ username: 'holder', email: 'holder@old.test' }]);
    await gateway.database.query(
      `with pending as (
         insert into pending_registration (id, username, username_key, email, email_key, hash, expires_at)
         values (gen_random_uuid(), 'pending', 'pending', 'p@old.test', 'p@old.test', '', now() + interval '1 hour'))
       insert into one_time_token (id, user_id, purpose, address, address_key, hash, expires_at)
       select gen_random_uuid(), id, 'UNDO_EMAIL_CHANGE', 'former@old.test', 'former@old.test', '', now() + interval '1 hour' from users limit 1`,
    );
    const { code, output, errors } = await importing([
      { username: 'good-one' },
      { username: 'x', passwordHash: HASH },
      { username: 'weak', passwordHash: 'c0ffee-md5-of-something' },
      { username: 'typo', passwordhash: HASH },
      { username: 'holder', email: 'other@old.test' },
      { username: 'thief', email: 'Holder@old.test' },
      { username: 'ruler', roles: ['superuser'] },
      { username: 'stray', roles: ['no-such-role'] },
      { username: 'good-one', email: 'second@old.test' },
      ['not', 'an', 'object'],
      { username: 'mail', email: 'not an address' },
      { username: 'peppered', passwordHash: HASH, passwordPepper: 'deadbeef' },
      { username: 'long', displayName: 'x'.repeat(70_000) },
      { username: 'good-two' },
      { username: 'pending' },
      { username: 'late', email: 'former@old.test' },
    ]);
    expect(code).toBe(1);
    expect(output).toBe('Imported 2 accounts; 0 accounts there already; 14 lines refused.\n');
    const lines = errors.split('\n').filter((line) => line.startsWith('line '));
    expect(lines.sort((a, b) => Number(a.split(/[ :]/)[1]) - Number(b.split(/[ :]/)[1]))).toEqual([
      'line 2: username: A username has 3 to 32 characters.',
      'line 3: passwordHash: is not a bcrypt, Argon2id, PBKDF2 or scrypt hash with a supported notation and cost.',
      expect.stringMatching(/^line 4: passwordhash: there is no such field. The fields are id, username, /),
      'line 5: username: is taken.',
      'line 6: email: is taken.',
      'line 7: roles: superuser is imported only with --with-superusers.',
      'line 8: roles: there is no such role.',
      'line 9: username: is taken.',
      'line 10: is not a JSON object.',
      'line 11: email: This is not an e-mail address.',
      'line 12: passwordHash: PASSWORD_PEPPER lacks the key of this hash.',
      'line 13: is too long.',
      'line 15: username: is taken.',
      'line 16: email: is taken.',
    ]);
    for (const secret of [HASH, 'c0ffee', 'deadbeef', 'holder@old.test'])
      expect(errors).not.toContain(secret);
    expect(await account('good-two')).toBeDefined();
  });

  it('refuses a username that looks like an existing one, or that a new account may not have', async () => {
    await importing([{ username: 'valerie' }]);
    const { output, errors } = await importing([
      { username: 'va1erie' },
      { username: 'clemens' },
      { username: 'c1emens' },
      { username: 'adm\u0438n' },
      { username: 'trailing_' },
      { username: 'r00t' },
    ]);
    expect(output).toBe('Imported 2 accounts; 0 accounts there already; 4 lines refused.\n');
    expect(
      errors
        .split('\n')
        .filter((line) => line.startsWith('line '))
        .sort(),
    ).toEqual([
      'line 1: username: looks like one that is taken.',
      'line 3: username: looks like one that is taken.',
      expect.stringMatching(/^line 4: username: A username uses the letters of one modern script/),
      'line 5: username: A username begins and ends with a letter or a digit.',
    ]);
  });

  it('resumes after an interrupted run when it is repeated', async () => {
    const records = Array.from({ length: 2_500 }, (_, n) => ({
      username: `again-${n}`,
      email: `a${n}@old.test`,
    }));
    expect((await importing(records.slice(0, 1_700))).output).toMatch(/^Imported 1700 accounts/);
    expect(await importing(records)).toMatchObject({
      code: 0,
      output: 'Imported 800 accounts; 1700 accounts there already; 0 lines refused.\n',
    });
    const events = await gateway.database.query(
      `select from audit_event e join users u on u.id = e.subject_id
       where e.action = 'account.imported' and u.username like 'again-%'`,
    );
    expect(events).toHaveLength(2_500);
  });

  describe('with another input format', () => {
    const importText = (input: string, ...options: string[]) => users(['import', '-', ...options], { input });
    const problems = (errors: string) => errors.split('\n').filter((line) => line.startsWith('line '));

    it('accepts the example of the documentation as it is', async () => {
      const docs = await readFile(new URL('../../docs/administration.md', import.meta.url), 'utf8');
      const example = /### `gatehouse users import FILE`.*?```json\n(.*?)```/s.exec(docs)?.[1] ?? '';
      expect(await importText(example)).toMatchObject({
        code: 0,
        output: expect.stringMatching(/^Imported 1 account;/),
      });
    });

    it('accepts a JSON array, on one line or several, and names the line on which an account begins', async () => {
      const accounts = [
        { username: 'array-one', displayName: 'a } ] , " b' },
        { username: 'x', email: 'nowhere' },
        { username: 'array-two' },
      ];
      const { code, output, errors } = await importText(JSON.stringify(accounts, null, 2));
      expect([code, output]).toEqual([1, 'Imported 2 accounts; 0 accounts there already; 1 line refused.\n']);
      expect(problems(errors)).toEqual([
        'line 6: email: This is not an e-mail address.',
        'line 6: username: A username has 3 to 32 characters.',
      ]);
      expect((await importText(JSON.stringify(accounts))).output).toMatch(
        /^Imported 0 accounts; 2 accounts there/,
      );
      expect((await account('array-one'))?.display_name).toBe('a } ] , " b');
    });

    it.each([
      ['without an end', '[{"username": "cut-one"}, {"username": "cut-t', 'line 1: is not JSON.'],
      [
        'with something behind its end',
        '[{"username": "cut-two"}]\n{"username": "cut-three"}',
        'line 2: comes after',
      ],
      ['of texts', '["a-text"]', 'line 1: is not a JSON object.'],
      ['with one bracket too many', '[}\n{"username": "cut-four"}]', 'line 1: is not JSON. The rest'],
    ])('names the error in an array %s', async (_, text, problem) => {
      const { code, errors } = await importText(text);
      expect([code, problems(errors)]).toEqual([1, [expect.stringContaining(problem)]]);
    });

    it('accepts CSV with a header, with commas or semicolons', async () => {
      const role = await aRole(gateway);
      const csv = `username,email,emailConfirmed,displayName,passwordHash,roles
        csv-one,csv-one@old.test,TRUE,"One, ""the first""",${HASH},${role.name}

        csv-two,,,,,\r\n`.replaceAll('        ', '');
      expect(await importText(`\uFEFF${csv}`)).toMatchObject({
        code: 0,
        output: expect.stringMatching(/^Imported 2 accounts/),
      });
      expect(await account('csv-one')).toMatchObject({
        email: 'csv-one@old.test',
        confirmed: true,
        display_name: 'One, "the first"',
        roles: [role.name],
      });
      expect((await login('csv-one')).errors).toEqual([]);
      const semicolons = 'username;email\ncsv-three;csv-three@old.test\n';
      expect((await importText(semicolons)).output).toMatch(/^Imported 1 account/);
    });

    it('names line and field of an error in CSV, without its values', async () => {
      const wrong = await importText(
        'username,emailConfirmed,email\ncsv-four,perhaps,nowhere\ncsv-five,true\n',
      );
      expect(problems(wrong.errors)).toEqual([
        'line 2: email: This is not an e-mail address.',
        'line 2: emailConfirmed: must be true or false.',
        'line 3: must have 3 columns, like the first line. It has 2.',
      ]);
      const misspelt = await importText('username,pasword\ncsv-six,x\n');
      expect(problems(misspelt.errors)).toEqual([
        expect.stringMatching(/^line 1: has unknown columns \(pasword\)\. The columns are id, username,/),
      ]);
      const headless = await importText(`csv-seven,${HASH}\ncsv-eight,${HASH}\n`);
      expect(problems(headless.errors)).toEqual([
        expect.stringMatching(/^line 1: is neither JSON nor the header/),
      ]);
      const unclosed = await importText('username,displayName\ncsv-nine,"never closed\ncsv-ten,x\n');
      expect(problems(unclosed.errors)).toEqual([
        expect.stringContaining('is not CSV: look for a missing or extra "'),
      ]);
      for (const { errors, code } of [wrong, misspelt, headless, unclosed]) {
        expect(code).toBe(1);
        expect(errors).not.toMatch(/csv-(four|seven|eight|nine|ten)|nowhere|perhaps|\$2b/);
      }
    });

    it('reports a CSV account that is too long, and says that it stopped reading there', async () => {
      const long = await importText(
        `username,displayName\ncsv-eleven,\ncsv-twelve,${'x'.repeat(70_000)}\ncsv-13,\n`,
      );
      expect([long.code, long.output]).toEqual([
        1,
        'Imported 1 account; 0 accounts there already; 1 line refused.\n',
      ]);
      expect(problems(long.errors)).toEqual(['line 3: is too long. The rest of the file was not read.']);
    });

    it('imports every CSV account before a bad one, and the last one without a newline', async () => {
      const rows = (prefix: string) =>
        Array.from({ length: 300 }, (_, index) => `${prefix}-${index},\n`).join('');
      const whole = await importText(`username,displayName\n${rows('whole')}whole-last,Last`);
      expect(whole).toMatchObject({ code: 0, output: expect.stringMatching(/^Imported 301 accounts/) });
      const broken = await importText(`username,displayName\n${rows('broken')}"broken-last,Last`);
      expect(broken.output).toBe('Imported 300 accounts; 0 accounts there already; 1 line refused.\n');
    });

    it('accepts all line endings in CSV', async () => {
      const mixed = await importText(
        'username,displayName\r\nends-one,One\nends-two,Two\r\n"ends-three",""\n',
      );
      expect(mixed).toMatchObject({ code: 0, output: expect.stringMatching(/^Imported 3 accounts/) });
    });

    it.each([
      ['CSV', 'username,displayName\nlatin-one,José\nlatin-two,Ada\n'],
      ['JSON lines', '{}\n{"username":"latin-one","displayName":"José"}\n{"username":"latin-three"}\n'],
      ['a JSON array', '[\n{"username":"latin-one","displayName":"José"},{"username":"latin-four"}]'],
    ])('refuses an account of %s that is not UTF-8, and continues', async (_, text) => {
      const file = join(folder, 'latin');
      await writeFile(file, Buffer.from(text, 'latin1'));
      const { code, output, errors } = await users(['import', file]);
      expect([code, output]).toEqual([1, expect.stringMatching(/^Imported 1 account;/)]);
      expect(problems(errors)).toContain('line 2: is not UTF-8. Save the file in that encoding.');
    });
  });

  it('with --dry-run reports the result over all batches, and changes nothing', async () => {
    const records = [
      ...Array.from({ length: 1_100 }, (_, n) => ({ username: `dry-${n}` })),
      { username: 'dry-0', email: 'other@old.test' },
    ];
    expect(await importing(records, '--dry-run')).toMatchObject({
      code: 1,
      output: 'Would import 1100 accounts; 0 accounts there already; 1 line refused. Nothing was changed.\n',
      errors: expect.stringContaining('line 1101: username: is taken.'),
    });
    expect(await account('dry-0')).toBeUndefined();
  });

  it('derives a missing username from the e-mail address, and takes another one when that is taken', async () => {
    const records = [
      'maker@one.test',
      'maker+tag@two.test',
      'maker@three.test',
      'a@four.test',
      'admin@five.test',
    ];
    const emails = records.map((email) => ({ email }));
    expect((await importing(emails)).output).toMatch(/^Imported 5 accounts/);
    const rows = await gateway.database.query<{ username: string }>(
      `select username from users where email = any($1) order by array_position($1, email)`,
      [records],
    );
    expect(rows.map(({ username }) => username)).toEqual([
      'maker',
      expect.stringMatching(/^maker-\d{6}$/),
      expect.stringMatching(/^maker-\d{6}$/),
      'a00',
      expect.stringMatching(/^admin-\d{6}$/),
    ]);
    expect((await importing(emails)).output).toMatch(
      /^Imported 0 accounts; 5 accounts there already; 0 lines/,
    );
    expect((await importing([{ displayName: 'Nobody' }])).errors).toContain(
      'line 1: username: is missing, and there is no e-mail address to make it from.',
    );
  });

  it('reads standard input, blank lines and a last line without a newline', async () => {
    const input = '\uFEFF{"username":"piped-one"}\r\n\r\n{"username":"piped-two"}';
    const piped = GatehouseProcess.run(['users', 'import', '-'], environment(gateway), { input });
    expect(await piped.ended).toBe(0);
    expect(piped.output).toMatch(/^Imported 2 accounts/);
  });

  it('makes superusers only when the option says so', async () => {
    await aSuperuser(gateway);
    const records = [{ username: 'next-chief', roles: ['superuser'] }];
    expect((await importing(records)).errors).toContain('line 1: roles: superuser is imported only with');
    expect((await importing(records, '--with-superusers')).code).toBe(0);
    expect(await account('next-chief')).toMatchObject({ roles: ['superuser'] });
  });

  it('names a file that it cannot read', async () => {
    expect(await users(['import', join(folder, 'nowhere.jsonl')])).toMatchObject({
      code: 1,
      errors: expect.stringContaining('cannot be read (ENOENT)'),
    });
  });
});

describe('gatehouse users export', () => {
  it('writes a file that another gateway can import, and includes hashes only with the option', async () => {
    const plain = await users(['export']);
    expect(plain.code).toBe(0);
    expect(plain.output).not.toMatch(/passwordHash|\$2[aby]\$/);
    const { output } = await users(['export', '--with-password-hashes']);
    const other = await TestGateway.start(secrets);
    await other.database.query(`insert into role select * from json_populate_recordset(null::role, $1)`, [
      JSON.stringify(await gateway.database.query('select * from role')),
    ]);
    const imported = await users(['import', '-', '--with-superusers'], { input: output, on: other });
    expect(imported).toMatchObject({ code: 0, output: expect.stringMatching(/; 0 lines refused\.\n$/) });
    const again = await users(['export', '--with-password-hashes'], { on: other });
    expect(again.output.split('\n').sort()).toEqual(output.split('\n').sort());
    const input = { identifier: 'ada', password: PASSWORD };
    expect((await other.client.execute(LoginDocument, { input })).errors).toEqual([]);
    await other.close();
  });
});

import { describe, expect, it } from '@jest/globals';
import { serversOf } from '../../../src/platform/database/index.ts';

const hostsOf = (url: string) => serversOf(url).map(({ host, port }) => `${host} ${port}`);

describe('the servers of a connection string', () => {
  it.each([
    ['postgresql://app@db/gatehouse', ['db 5432']],
    ['postgres://app:p,w@db:6432/gatehouse?sslmode=verify-full', ['db 6432']],
    ['postgresql://app:pw@db1:5433,db2/gatehouse?target_session_attrs=read-write', ['db1 5433', 'db2 5432']],
    ['postgresql://app:p%2Cw@db1,db2:5434', ['db1 5432', 'db2 5434']],
    [
      'postgresql://app:p,@w@[::1]:5433,10.0.0.2/gatehouse?target_session_attrs=primary',
      ['::1 5433', '10.0.0.2 5432'],
    ],
  ])('are read from %s', (url, hosts) => {
    expect(hostsOf(url)).toEqual(hosts);
  });

  it('each get a connection string with the login, database and parameters of the original', () => {
    expect(serversOf('postgresql://app:p,w@db1:1,[::1]:2/gatehouse?sslmode=disable')).toEqual([
      { host: 'db1', port: 1, name: 'db1:1', url: 'postgresql://app:p,w@db1:1/gatehouse?sslmode=disable' },
      {
        host: '::1',
        port: 2,
        name: '[::1]:2',
        url: 'postgresql://app:p,w@[::1]:2/gatehouse?sslmode=disable',
      },
    ]);
  });

  it('are not rewritten when there is only one, which may be a socket of this machine', () => {
    for (const url of ['postgresql://app@%2Frun%2Fpg/db', 'postgresql:///db?host=/run/pg&user=app'])
      expect(serversOf(url)).toMatchObject([{ url }]);
  });
});

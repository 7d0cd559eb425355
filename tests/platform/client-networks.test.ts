import { describe, expect, it } from '@jest/globals';
import { networkOf, networksOf } from '../../src/platform/request/index.ts';

describe('the networks by which a client is counted', () => {
  it('are the IP itself on IPv4', () => {
    expect(networksOf('203.0.113.7')).toEqual(['203.0.113.7']);
  });

  it('are the /64, the /56 and the /48 on IPv6, the narrowest first', () => {
    expect(networksOf('2001:db8:1:abcd::1')).toEqual([
      '2001:db8:1:abcd::/64',
      '2001:db8:1:ab00::/56',
      '2001:db8:1::/48',
    ]);
    expect(networkOf('2001:db8:1:abcd::1')).toBe('2001:db8:1:abcd::/64');
  });

  it('are the same for every notation of an IP, with or without a zone', () => {
    const spelt = networksOf('2001:0DB8:0001:0000:0000:0000:0000:0001');
    expect(networksOf('2001:db8:1::2')).toEqual(spelt);
    expect(networksOf('2001:db8:1::1%eth0')).toEqual(spelt);
  });
});

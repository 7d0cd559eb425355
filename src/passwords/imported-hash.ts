import { phc } from './stored-hash.ts';

/** Characters of the salts of other systems. */
const SALT = '[!-#%-~]{1,128}';
const BASE64 = '[A-Za-z0-9+/]{4,128}={0,2}';
/** Base64 of passlib: a dot instead of the plus, and no padding. */
const PHC_BASE64 = '[A-Za-z0-9+/.]{0,180}';

/**
 * The notations of other systems, each with its conversion. Salts of Django and Werkzeug are the text itself, not its
 * base64.
 */
const NOTATIONS: readonly (readonly [RegExp, (part: readonly string[]) => string])[] = [
  // passlib: $pbkdf2-sha256$29000$salt$hash, and $pbkdf2$... for SHA-1
  [
    new RegExp(`^\\$pbkdf2(?:-(sha1|sha256|sha512))?\\$(\\d{1,9})\\$(${PHC_BASE64})\\$(${PHC_BASE64})$`),
    ([digest = 'sha1', iterations, salt, hash]) =>
      phc.pbkdf2({ digest, iterations }, bytes(salt), bytes(hash)),
  ],
  // PHC string format: $pbkdf2-sha256$i=600000,l=32$salt$hash
  [
    new RegExp(
      `^\\$pbkdf2-(sha1|sha256|sha512)\\$i=(\\d{1,9})(?:,l=\\d{1,3})?\\$(${PHC_BASE64})\\$(${PHC_BASE64})$`,
    ),
    ([digest, iterations, salt, hash]) => phc.pbkdf2({ digest, iterations }, bytes(salt), bytes(hash)),
  ],
  // Django: pbkdf2_sha256$600000$salt$hash
  [
    new RegExp(`^pbkdf2_(sha1|sha256|sha512)\\$(\\d{1,9})\\$(${SALT})\\$(${BASE64})$`),
    ([digest, iterations, salt, hash]) =>
      phc.pbkdf2({ digest, iterations }, Buffer.from(salt ?? ''), bytes(hash)),
  ],
  // Werkzeug and Flask: pbkdf2:sha256:600000$salt$hash in hexadecimal
  [
    new RegExp(`^pbkdf2:(sha1|sha256|sha512):(\\d{1,9})\\$(${SALT})\\$([0-9a-f]{32,128})$`),
    ([digest, iterations, salt, hash]) =>
      phc.pbkdf2({ digest, iterations }, Buffer.from(salt ?? ''), Buffer.from(hash ?? '', 'hex')),
  ],
  // PHC string format and passlib: $scrypt$ln=16,r=8,p=1$salt$hash
  [
    new RegExp(`^\\$scrypt\\$ln=(\\d{1,2}),r=(\\d{1,3}),p=(\\d{1,2})\\$(${PHC_BASE64})\\$(${PHC_BASE64})$`),
    ([logN, r, p, salt, hash]) =>
      phc.scrypt({ logN: Number(logN), blockSize: r, lanes: p }, bytes(salt), bytes(hash)),
  ],
  // Django: scrypt$16384$salt$8$1$hash
  [
    new RegExp(`^scrypt\\$(\\d{1,8})\\$(${SALT})\\$(\\d{1,3})\\$(\\d{1,2})\\$(${BASE64})$`),
    ([n, salt, r, p, hash]) =>
      phc.scrypt(
        { logN: Math.log2(Number(n)), blockSize: r, lanes: p },
        Buffer.from(salt ?? ''),
        bytes(hash),
      ),
  ],
  // Werkzeug and Flask: scrypt:32768:8:1$salt$hash in hexadecimal
  [
    new RegExp(`^scrypt:(\\d{1,8}):(\\d{1,3}):(\\d{1,2})\\$(${SALT})\\$([0-9a-f]{32,128})$`),
    ([n, r, p, salt, hash]) =>
      phc.scrypt(
        { logN: Math.log2(Number(n)), blockSize: r, lanes: p },
        Buffer.from(salt ?? ''),
        Buffer.from(hash ?? '', 'hex'),
      ),
  ],
];

const bytes = (base64 = ''): Buffer => Buffer.from(base64.replaceAll('.', '+'), 'base64');

/**
 * Converts a hash of another system to the stored notation. Returns unknown notations unchanged. It does not check the
 * hash: see parseStoredHash.
 */
export function storedNotation(hash: string): string {
  for (const [form, write] of NOTATIONS) {
    const found = form.exec(hash);
    if (found) return write(found.slice(1));
  }
  return hash;
}

/** Turns `jane.doe+gatehouse@example.com` into `jane.doe`. The result may still break a rule of `parseUsername`. */
export function usernameFrom(email: string): string {
  const local = email.split('@')[0]?.split('+')[0] ?? '';
  return local
    .replace(/[^\p{L}\p{N}._-]/gu, '')
    .replace(/^[._-]+|[._-]+$/g, '')
    .padEnd(3, '0');
}

/**
 * A self-signed certificate for `localhost` and 127.0.0.1, valid until 2126, with its key. For test servers
 * on loopback:
 * openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 36500 -subj /CN=localhost
 * \\
 * -addext subjectAltName=DNS:localhost,IP:127.0.0.1
 */
export const CERTIFICATE = `-----BEGIN CERTIFICATE-----
MIIBmjCCAUGgAwIBAgIUQmTofOYMjHFG2p2SwD+CjvuGp5gwCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2MTEyMTA1MzMzNFoYDzIxMjYxMDI4
MDUzMzM0WjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAATrhW6p9uh12o8rY6+aZy+LeAOvqJ2RTm7Nu+WiO39JaLMmxEQzjuH2
NRWB5iJETrXtzQ0wP/zvPt7qj8OpB2SVo28wbTAdBgNVHQ4EFgQUjXzaIsmldNJG
yMJg2/JSBkuuCZ8wHwYDVR0jBBgwFoAUjXzaIsmldNJGyMJg2/JSBkuuCZ8wDwYD
VR0TAQH/BAUwAwEB/zAaBgNVHREEEzARgglsb2NhbGhvc3SHBH8AAAEwCgYIKoZI
zj0EAwIDRwAwRAIgDdBxb2A2nqLXQpTy1k6ZuRuMVGI2Akwz9dLQvJU2esUCIBsj
SBCASRZsJ+9tNLMB623DrtJdrW4PjcHi6igNhi0v
-----END CERTIFICATE-----
`;

export const CERTIFICATE_KEY = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg0OGcPIOnd7YKMtkn
sK81Lkg3u6mFL6WtZGQQUG8hWB+hRANCAATrhW6p9uh12o8rY6+aZy+LeAOvqJ2R
Tm7Nu+WiO39JaLMmxEQzjuH2NRWB5iJETrXtzQ0wP/zvPt7qj8OpB2SV
-----END PRIVATE KEY-----
`;

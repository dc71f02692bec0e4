const names: ReadonlySet<string> = new Set([
  'PATH',
  'HOME',
  'HTTP_PROXY',
  'HTTPS_PROXY',
  'NO_PROXY',
  'NODE_EXTRA_CA_CERTS',
  'SSL_CERT_FILE',
  'SSL_CERT_DIR',
])

/** What npm may see when the server runs it: where programs are, and the operator's settings of npm and the network. */
export function readNpmEnvironment(
  environment: Readonly<Record<string, string | undefined>> = process.env,
): Readonly<Record<string, string>> {
  return Object.fromEntries(
    Object.entries(environment).filter(
      (entry): entry is [string, string] =>
        entry[1] !== undefined && (names.has(entry[0].toUpperCase()) || /^npm_config_/i.test(entry[0])),
    ),
  )
}

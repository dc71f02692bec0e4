/** Where the operator keeps certificates: all of our environment that the egress process is told. */
const names = ['NODE_EXTRA_CA_CERTS', 'SSL_CERT_FILE', 'SSL_CERT_DIR'] as const

export function certificateEnvironment(): Readonly<Record<string, string>> {
  const given = names.map((name) => [name, process.env[name]] as const)
  return Object.fromEntries(
    given.filter((pair): pair is readonly [(typeof names)[number], string] => pair[1] !== undefined),
  )
}

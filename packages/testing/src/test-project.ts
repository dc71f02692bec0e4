/** Projects made through the Management API, as a script of a user would. */

export type TestProject = {
  readonly projectId: number
  readonly deploymentName: string
  readonly deploymentUrl: string
  /** Full deploy key of the deployment. */
  readonly deployKey: string
}

export async function createProject(
  server: { readonly url: string; readonly teamId: number; readonly accessToken: string },
  options: { readonly name?: string; readonly type?: 'dev' | 'prod' } = {},
): Promise<TestProject> {
  const created = (await post(server, `/v1/teams/${server.teamId}/create_project`, {
    projectName: options.name ?? 'Test',
    deploymentType: options.type ?? 'dev',
  })) as { projectId: number; deploymentName: string; deploymentUrl: string }
  const { deployKey } = (await post(server, `/v1/deployments/${created.deploymentName}/create_deploy_key`, {
    name: 'test',
  })) as { deployKey: string }
  const { projectId, deploymentName, deploymentUrl } = created
  return { projectId, deploymentName, deploymentUrl, deployKey }
}

async function post(
  server: { readonly url: string; readonly accessToken: string },
  path: string,
  body: unknown,
): Promise<unknown> {
  const response = await fetch(`${server.url}${path}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${server.accessToken}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })
  if (response.status !== 200) throw new Error(`POST ${path} answered ${response.status}: ${await response.text()}`)
  return await response.json()
}

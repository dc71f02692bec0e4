/**
 * Operations of the published Management API that this server does not have yet, so that a client learns the reason
 * instead of "no such route". A line leaves this list when its operation gets a handler.
 */
export const notImplemented: readonly { readonly method: string; readonly path: string; readonly id: string }[] = [
  { method: 'PATCH', path: '/deployments/{deployment_name}', id: 'update deployment' },
  { method: 'POST', path: '/deployments/{deployment_name}/transfer', id: 'transfer deployment' },
  { method: 'GET', path: '/teams/{team_id}/list_deployments', id: 'list deployments for team' },
  { method: 'GET', path: '/teams/{team_id}/list_local_deployments', id: 'list local deployments for team' },
  { method: 'POST', path: '/projects/{project_id}/create_preview_deploy_key', id: 'create preview deploy key' },
  { method: 'GET', path: '/projects/{project_id}/list_preview_deploy_keys', id: 'list preview deploy keys' },
  { method: 'POST', path: '/projects/{project_id}/delete_preview_deploy_key', id: 'delete preview deploy key' },
  { method: 'GET', path: '/list_personal_access_tokens', id: 'list personal access tokens' },
  { method: 'POST', path: '/delete_personal_access_token', id: 'delete personal access token' },
  { method: 'GET', path: '/teams/{team_id}/list_access_tokens', id: 'list team access tokens' },
  { method: 'POST', path: '/teams/{team_id}/create_access_token', id: 'create team access token' },
  { method: 'POST', path: '/teams/{team_id}/delete_access_token', id: 'delete team access token' },
  { method: 'POST', path: '/deployments/{deployment_name}/create_custom_domain', id: 'create custom domain' },
  { method: 'POST', path: '/deployments/{deployment_name}/delete_custom_domain', id: 'delete custom domain' },
  { method: 'GET', path: '/deployments/{deployment_name}/custom_domains', id: 'list custom domains' },
  { method: 'POST', path: '/teams/create_team', id: 'create team' },
  { method: 'GET', path: '/teams/{team_id}/list_members', id: 'list team members' },
  { method: 'POST', path: '/teams/{team_id}/invite_team_member', id: 'invite team member' },
  { method: 'GET', path: '/teams/{team_id}/list_pending_invites', id: 'list pending team invites' },
  { method: 'POST', path: '/teams/{team_id}/cancel_team_member_invite', id: 'cancel team member invite' },
  { method: 'POST', path: '/teams/{team_id}/update_team_member_role', id: 'update team member role' },
  { method: 'GET', path: '/teams/{team_id}/list_audit_log_events', id: 'list audit log events' },
  {
    method: 'GET',
    path: '/projects/{project_id}/list_default_environment_variables',
    id: 'list default environment variables',
  },
  {
    method: 'POST',
    path: '/projects/{project_id}/update_default_environment_variables',
    id: 'update default environment variables',
  },
  { method: 'POST', path: '/teams/{team_id}/create_custom_role', id: 'create custom role' },
  { method: 'GET', path: '/teams/{team_id}/list_custom_roles', id: 'list custom roles' },
  { method: 'POST', path: '/teams/{team_id}/update_custom_role', id: 'update custom role' },
  { method: 'POST', path: '/teams/{team_id}/delete_custom_role', id: 'delete custom role' },
]

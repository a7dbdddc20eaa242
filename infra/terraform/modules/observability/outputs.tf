output "canary_alert_policies" {
  description = "The policies that a rollout is undone by, for Cloud Deploy's analysis."
  value       = [for name, policy in google_monitoring_alert_policy.alert : policy.name if local.alerts[name].canary]
}

output "notification_channels" {
  description = "Who is told, by how urgent it is."
  value       = local.channels
}

output "objectives" {
  description = "The objectives, by name."
  value       = { for name, objective in google_monitoring_slo.objective : name => objective.name }
}

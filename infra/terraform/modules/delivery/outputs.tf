output "deployer" {
  description = "The IAM member that puts releases into the projects."
  value       = google_service_account.deployer.member
}

output "pipelines" {
  description = "The pipelines, by function."
  value       = { for name, pipeline in google_clouddeploy_delivery_pipeline.this : name => pipeline.name }
}

output "phases" {
  description = "The steps of a canary, in order."
  value       = [for phase in local.phases : phase.id]
}

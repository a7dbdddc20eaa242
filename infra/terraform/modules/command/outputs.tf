output "job" {
  description = "The name of the Cloud Run job."
  value       = google_cloud_run_v2_job.this.name
}

output "arguments" {
  description = "What it is called with where nobody says otherwise."
  value       = google_cloud_run_v2_job.this.template[0].template[0].containers[0].args
}

output "account" {
  description = "The e-mail address of the account that it runs as."
  value       = google_service_account.this.email
}

output "environment_names" {
  description = "The environment variables that it is given: names only."
  value       = sort(concat(keys(var.environment), keys(var.secret_environment)))
}

output "service" {
  description = "The name of the Cloud Run service."
  value       = google_cloud_run_v2_service.this.name
}

output "account" {
  description = "The e-mail address of the account that it runs as."
  value       = google_service_account.this.email
}

output "manifest" {
  description = "The service as Cloud Deploy takes it (YAML), with the image as a name."
  value       = yamlencode(local.manifest)
}

output "environment_names" {
  description = "The environment variables that it is given, secrets included: names only."
  value       = sort(concat(keys(local.environment), keys(var.secret_environment)))
}

output "environment" {
  description = "The environment variables that are no secrets."
  value       = local.environment
}

output "is_public" {
  description = "Whether anybody may call it."
  value       = length(google_cloud_run_v2_service_iam_member.anybody) > 0
}

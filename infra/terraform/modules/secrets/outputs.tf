output "ids" {
  description = "The secrets' ids by their names."
  value       = { for name, secret in google_secret_manager_secret.this : name => secret.secret_id }
}

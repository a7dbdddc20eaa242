output "instance" {
  description = "The instance's name."
  value       = google_spanner_instance.this.name
}

output "database" {
  description = "The database's name."
  value       = google_spanner_database.this.name
}

output "store_url" {
  description = "What STORE_URL is."
  value       = "spanner:projects/${var.project_id}/instances/${google_spanner_instance.this.name}/databases/${google_spanner_database.this.name}"
}

output "is_protected" {
  description = "Whether it refuses to be deleted."
  value       = google_spanner_database.this.enable_drop_protection == true && google_spanner_database.this.deletion_protection == true
}

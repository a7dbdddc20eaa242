output "project_id" {
  description = "The project, once its services are on."
  value       = var.project_id
  depends_on  = [google_project_service.this]
}

output "number" {
  description = "The project's number."
  value       = data.google_project.this.number
}

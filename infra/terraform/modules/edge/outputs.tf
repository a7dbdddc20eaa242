output "address" {
  description = "Where the host's A record must point."
  value       = google_compute_global_address.this.address
}

output "public_url" {
  description = "What PUBLIC_URL is."
  value       = "https://${var.host}"
}

output "routed_paths" {
  description = "All paths that are routed from outside."
  value       = flatten([for backend in local.backends : backend.paths])
}

output "address" {
  description = "Where the host's A record must point."
  value       = module.gateway.address
}

output "manifests" {
  description = "Each function's service as Cloud Deploy takes it (YAML). For scripts/deploy."
  value       = module.gateway.manifests
}

output "project_number" {
  description = "The project's number."
  value       = module.gateway.project_number
}

output "store_url" {
  description = "What STORE_URL is, for the operator's command."
  value       = module.gateway.environment["payments"].STORE_URL
}

output "registry" {
  description = "What images' names begin with. For scripts/deploy."
  value       = module.registry.address
}

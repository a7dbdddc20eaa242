output "network" {
  description = "The network's id."
  value       = google_compute_network.this.id
}

output "network_name" {
  description = "The network's name."
  value       = google_compute_network.this.name
}

output "subnetwork" {
  description = "The name of the functions' subnetwork."
  value       = google_compute_subnetwork.functions.name
}

output "functions_tag" {
  description = "The tag that the firewall knows functions by."
  value       = local.functions_tag
}

output "services_connection" {
  description = "Google's services have addresses in this network once this is there."
  value       = google_service_networking_connection.services.id
}

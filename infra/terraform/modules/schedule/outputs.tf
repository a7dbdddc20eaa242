output "job" {
  description = "The job's name in Cloud Scheduler."
  value       = google_cloud_scheduler_job.this.name
}

output "when" {
  description = "When it is called, by whose clock, and how long a run may take."
  value       = "${google_cloud_scheduler_job.this.schedule} ${google_cloud_scheduler_job.this.time_zone}, ${google_cloud_scheduler_job.this.attempt_deadline}"
}

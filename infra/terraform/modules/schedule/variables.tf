variable "project_id" {
  description = "The project of the job."
  type        = string
}

variable "region" {
  description = "The region that Cloud Scheduler calls from."
  type        = string
}

variable "name" {
  description = "The job's name, as in its route /jobs/NAME."
  type        = string
}

variable "schedule" {
  description = "When, in cron's form."
  type        = string
  validation {
    condition     = length(split(" ", var.schedule)) == 5
    error_message = "A schedule has five fields."
  }
}

variable "time_zone" {
  description = "Whose clock the schedule means."
  type        = string
  default     = "Asia/Tokyo"
}

variable "function_url" {
  description = "The address of the function that has the job, without a path; also what the token is made for."
  type        = string
  validation {
    condition     = can(regex("^https://[^/]+$", var.function_url))
    error_message = "function_url is https, and has no path."
  }
}

variable "account" {
  description = "The e-mail address of the account whose token the call carries."
  type        = string
}

variable "attempt_deadline_seconds" {
  description = "How long a run may take: 180, and 1800 for the settlement."
  type        = number
  default     = 180
  validation {
    condition     = var.attempt_deadline_seconds >= 15 && var.attempt_deadline_seconds <= 1800
    error_message = "Cloud Scheduler takes 15 to 1800 seconds."
  }
}

variable "retries" {
  description = "How often a run that failed is tried again before the next one is due."
  type        = number
  default     = 3
  validation {
    condition     = var.retries >= 0 && var.retries <= 5
    error_message = "Cloud Scheduler takes 0 to 5."
  }
}
